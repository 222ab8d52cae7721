"""The link from an estimator's HTML display in a notebook to its documentation."""

DOCUMENTATION = "https://OWNER.github.io/fastmlp"   # as pyproject.toml has it


class Documented:
    """An estimator of the page "estimators" of the documentation; scikit-learn's HTML asks for the link."""

    def _get_doc_link(self) -> str:
        kind = type(self)
        if not kind.__module__.startswith("fastmlp."):
            return ""
        return f"{DOCUMENTATION}/api/estimators.html#fastmlp.{kind.__name__}"

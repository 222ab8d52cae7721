"""Pictures, with matplotlib."""


def plot_history(history, ax=None):
    """Losses and metrics by epoch, the learning rate left out; metrics on a scale of their own to the right."""
    import matplotlib.pyplot as plt

    if ax is None:
        ax = plt.subplots(layout="constrained")[1]
    losses = [name for name in ("loss", "val_loss") if name in history]
    metrics = [name for name in history if name not in (*losses, "lr")]
    lines = []
    for name in losses:
        lines += ax.plot(range(1, 1 + len(history[name])), history[name], label=name)
    ax.set(xlabel="epoch", ylabel="loss")
    if metrics:
        right = ax.twinx()
        for name in metrics:
            lines += right.plot(range(1, 1 + len(history[name])), history[name], "--", color=f"C{len(lines)}", label=name)
        right.set_ylabel(", ".join(metrics))
    ax.legend(handles=lines, loc="center right")
    return ax

"""How a network's outputs and its error depend on its input: derivatives, attributions, noise, attacks."""
from .._robustness import Attack
from ._attacks import fgsm, pgd
from ._attributions import expected_gradients, input_x_gradient, integrated_gradients, saliency, smooth_grad
from ._derivatives import input_gradient, jacobian, jvp, vjp
from ._report import NoiseCurve, Report, local_lipschitz, noise_curve, report

__all__ = [
    "input_gradient", "jacobian", "jvp", "vjp", "saliency", "input_x_gradient", "integrated_gradients", "smooth_grad",
    "expected_gradients", "Attack", "fgsm", "pgd", "noise_curve", "local_lipschitz", "report", "NoiseCurve", "Report",
]

"""l_cross_id of VASA-1 (arXiv 2404.10667, section 3.1): the source's identity survives another person's motion.

With source I_s and driver I_d of two people, I^ = D(V_s, id_s, pose_d, dyn_d): cosine loss between the identity
descriptors of I_s and I^. The paper takes ArcFace and states no weight.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from vasa_core.training.losses.identity_perceptual import IdentityDescriptor, Images, Landmarks, descriptor_distance


def cross_identity_loss(
    descriptor: IdentityDescriptor,
    painted: Images,
    painted_landmarks: Landmarks,
    source: Images,
    source_landmarks: Landmarks,
) -> Float[Tensor, ""]:
    """1 - cosine of the descriptors of a cross-identity render and of its SOURCE (never of its driver).

    painted_landmarks: px of the render; the driver's serve, since the render has the driver's pose and dynamics.
    Gives a gradient to `painted` only.
    """
    with torch.no_grad():
        wanted = descriptor(source, source_landmarks)
    return descriptor_distance(descriptor(painted, painted_landmarks.detach()), wanted)

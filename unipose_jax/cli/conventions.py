"""The flag `--convention`: where a data set puts its joints."""

from jaxtyping import Array, Float

from unipose_jax import errors, skeleton
from unipose_jax.physics import skin_depths


def skin_depths_of(body: skeleton.Skeleton, convention: str) -> Float[Array, " joints"]:
    """How deep joints lie below the skin by a convention, metres.

    Raises:
        errors.BadInput: there is no such convention, or it lacks a joint.
    """
    try:
        return skin_depths.typical(body, convention=convention)
    except ValueError as error:
        raise errors.BadInput(f"--convention={convention}: {error}") from error

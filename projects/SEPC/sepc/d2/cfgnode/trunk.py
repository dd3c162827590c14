"""Trunk of a detector, built from ``MODEL.SEPC``."""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Any

from detectron2.config import CfgNode

from ...layers import DyHead, Towers, build_sepc
from ..detectors.heads import Trunk
from .keys import arguments_of, trunk_defaults

PLAIN = "plain"
DYHEAD = "dyhead"


def build_trunk(cfg: CfgNode, in_channels: int) -> Trunk:
    """Build SEPC, or for ``MODEL.SEPC.VARIANT`` "plain" towers and for "dyhead" DyHead.

    Raises:
        ValueError: for settings out of range, or of SEPC where there is none.
    """
    num_levels = len(cfg.MODEL.RETINANET.IN_FEATURES)
    if is_plain(cfg):
        with naming("MODEL.RETINANET"):
            return Towers(
                in_channels=in_channels,
                num_convs=cfg.MODEL.RETINANET.NUM_CONVS,
                norm=cfg.MODEL.RETINANET.NORM or None,
                num_levels=num_levels,
            )
    if cfg.MODEL.SEPC.VARIANT == DYHEAD:
        trunk_options(cfg, allowed=())
        with naming("MODEL.SEPC.DYHEAD"):
            options = arguments_of(cfg.MODEL.SEPC.DYHEAD)
            return DyHead(in_channels, num_levels=num_levels, **options)
    with naming("MODEL.SEPC"):
        options = {"num_levels": num_levels, **trunk_options(cfg)}
        return build_sepc(cfg.MODEL.SEPC.VARIANT, in_channels, **options)


def is_plain(cfg: CfgNode) -> bool:
    """Whether the detector has plain towers in place of SEPC.

    Raises:
        ValueError: if they do and there are options for SEPC.
    """
    if cfg.MODEL.SEPC.VARIANT != PLAIN:
        return False
    trunk_options(cfg, allowed=())
    return True


def trunk_options(cfg: CfgNode, *, allowed: Collection[str] | None = None) -> dict[str, Any]:
    """Options of ``build_sepc`` that differ from their defaults.

    Args:
        cfg: the whole config.
        allowed: options that the module to build has; default all.

    Raises:
        ValueError: names the keys that are not allowed.
    """
    node = cfg.MODEL.SEPC
    found = {
        key.lower(): node[key] for key, default in trunk_defaults().items() if node[key] != default
    }
    refused = [] if allowed is None else sorted(set(found) - set(allowed))
    if refused:
        keys = ", ".join(f"MODEL.SEPC.{name.upper()}" for name in refused)
        raise ValueError(
            f"{keys}: expected the default, as BACKBONE.NAME {cfg.MODEL.BACKBONE.NAME!r} with "
            f"VARIANT {node.VARIANT!r} has no such option, got {[found[x] for x in refused]}"
        )
    if found.get("norm") == "":
        found["norm"] = None
    return found


@contextmanager
def naming(keys: str) -> Iterator[None]:
    """Name the keys that the settings came from in an error; a wrong type is a ValueError, too."""
    try:
        yield
    except (TypeError, ValueError) as error:
        raise ValueError(f"{keys}: {error}") from error

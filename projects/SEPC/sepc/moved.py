"""Old module names that saved configs hold: a ``config.yaml`` names classes by their full path.

``sepc`` registers :class:`MovedModules` when it is imported, so that whatever loads such a file,
Detectron2's own tools too, finds the class where it is now.
"""

import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

# Of version 0.1, before the package was ordered by detectors. Old module: where its names are now.
MOVED = {
    "sepc.d2.atss": "sepc.d2.detectors.atss",
    "sepc.d2.backbone": "sepc.d2.backbones.pconv_neck",
    "sepc.d2.deep_stem": "sepc.d2.backbones.deep_stem",
    "sepc.d2.deform_block": "sepc.d2.backbones.deform_block",
    "sepc.d2.fcos": "sepc.d2.detectors.fcos",
    "sepc.d2.free_anchor": "sepc.d2.detectors.free_anchor",
    "sepc.d2.fsaf": "sepc.d2.detectors.fsaf",
    "sepc.d2.gfl": "sepc.d2.detectors.gfl",
    "sepc.d2.head": "sepc.d2.detectors.heads",
    "sepc.d2.inclusive": "sepc.d2.mmdet1",
    "sepc.d2.legacy": "sepc.d2.mmdet1",
    "sepc.d2.res2net": "sepc.d2.backbones.res2net",
    "sepc.d2.retinanet": "sepc.d2.detectors.retinanet",
    "sepc.d2.top_block": "sepc.d2.mmdet1",
}
# Old name of a class in them: its name now.
RENAMED = {"TwoBranchHead": "FSAFHead"}


class MovedModules(MetaPathFinder, Loader):
    """Import hook: a module of :data:`MOVED` looks its names up in the module that has them now."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        return ModuleSpec(fullname, self) if fullname in MOVED else None

    def exec_module(self, module: ModuleType) -> None:
        new = MOVED[module.__name__]
        module.__doc__ = f"Moved to {new}."
        module.__getattr__ = lambda name: getattr(  # type: ignore[method-assign]
            import_module(new), RENAMED.get(name, name)
        )


def register() -> None:
    """Add the import hook once."""
    if not any(isinstance(finder, MovedModules) for finder in sys.meta_path):
        sys.meta_path.append(MovedModules())

"""Reader of YAML configs that makes data and names classes, and runs nothing."""

import os
import re
from collections.abc import Callable
from importlib import import_module
from typing import Any

import yaml
from detectron2.layers import ShapeSpec

# Packages whose classes and functions a saved config may name: a block, a norm.
_PACKAGES = ("sepc", "detectron2", "torch", "torchvision", "fvcore")
_PYTHON = "tag:yaml.org,2002:python/"
_SHAPE_SPEC = f"{ShapeSpec.__module__}.{ShapeSpec.__name__}"


def read_yaml(path: str | os.PathLike[str]) -> Any:
    """Read a YAML file as ``LazyConfig.save`` writes it.

    Unlike Detectron2's reader, which calls whatever a tag such as ``!!python/object/apply`` names,
    it knows three tags of Python: a tuple, a ``ShapeSpec``, and the name of a class or function of
    Detectron2, torch or this package. ``1e-4`` is a number, as in Python and JSON.

    Raises:
        ValueError: if it is no YAML, or has another tag; nothing of it has been run.
        OSError: if it can't be read.
    """
    with open(path, encoding="utf-8") as file:
        try:
            return yaml.load(file, _Loader)
        except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
            raise ValueError(f"{os.fspath(path)} can't be read as YAML: {error}") from error


class _Loader(yaml.SafeLoader):
    """PyYAML's safe loader with what saved configs need."""


def _named(loader: _Loader, name: str, node: yaml.Node) -> Any:
    """Find the class or function behind ``!!python/name:``, of the allowed packages alone."""
    module, _, attribute = name.rpartition(".")
    found: Any = None
    if module.split(".")[0] in _PACKAGES:
        try:
            found = getattr(import_module(module), attribute, None)
        except ImportError:
            found = None
    # what a module has merely imported, such as os, is not its own
    if not callable(found) or getattr(found, "__module__", "").split(".")[0] not in _PACKAGES:
        raise _refusal(node, f"expected a class of {', '.join(_PACKAGES)}, got {name!r}")
    return found


def _object(loader: _Loader, name: str, node: yaml.Node) -> Any:
    if name != _SHAPE_SPEC or not isinstance(node, yaml.MappingNode):
        return _unknown(loader, node)
    return ShapeSpec(**{str(k): v for k, v in loader.construct_mapping(node).items()})


def _tuple(loader: _Loader, node: yaml.Node) -> tuple[Any, ...]:
    if not isinstance(node, yaml.SequenceNode):
        raise _refusal(node, "expected a list in a tuple")
    return tuple(loader.construct_sequence(node, deep=True))


def _unknown(loader: _Loader, node: yaml.Node) -> Any:
    tag = node.tag.replace("tag:yaml.org,2002:", "!!")
    raise _refusal(node, f"the tag {tag} is not data; nothing of it was run")


def _refusal(node: yaml.Node, problem: str) -> yaml.constructor.ConstructorError:
    return yaml.constructor.ConstructorError(None, None, problem, node.start_mark)


_Loader.add_multi_constructor(f"{_PYTHON}name:", _named)
_Loader.add_multi_constructor(f"{_PYTHON}object:", _object)
_Loader.add_constructor(f"{_PYTHON}tuple", _tuple)
_no_tag: Callable[..., Any] = _unknown
_Loader.add_constructor(None, _no_tag)
# YAML 1.1 wants a point and a sign: it takes 1e-4 for text.
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"[-+]?\d[\d_]*(\.\d*)?[eE][-+]?\d+$"),
    list("-+0123456789"),
)

"""What Stripe's own library says a request and an answer look like, as checks that run.

The library is generated from Stripe's specification: each request has a TypedDict, each answer a class with
annotations. Both are made stricter here (no unknown field; an "open" enum, `Literal[...] | str`, takes only
what it lists) and handed to pydantic. Built only when an endpoint is first used: all 800 at once would
take seconds. A resource inside an answer is checked when it is there in full, and not when it is an id.
"""

import ast
import functools
import importlib
import inspect
import operator
import sys
import types
from functools import cache
from typing import Annotated, Any, Literal, NotRequired, Required, Union, get_args, get_origin, get_type_hints

from pydantic import BeforeValidator, ConfigDict, TypeAdapter, ValidationError
from stripe import ListObject, RequestOptions, StripeObject
from stripe._object_classes import OBJECT_CLASSES
from stripe._stripe_object import UntypedStripeObject
from typing_extensions import TypedDict, is_typeddict

_ASKED = ConfigDict(extra="forbid", hide_input_in_errors=True)  # leaves of a form are text
_ANSWERED = ConfigDict(extra="forbid", hide_input_in_errors=True, strict=True)


class ShapeError(Exception):
    """It does not have the shape the library gives it.

    Attributes:
        where: the first field that is wrong, as Stripe writes it: `card[number]`.
        is_unknown: whether the library knows no such field.
    """

    def __init__(self, shape: str, where: str, why: str, *, is_unknown: bool = False) -> None:
        super().__init__(f"{shape}: {where}: {why}")
        self.where, self.why, self.is_unknown = where, why, is_unknown


def check_request(shape: str, values: dict[str, Any]) -> dict[str, Any]:
    """Return a request's parameters with their types, or refuse them.

    Args:
        shape: the TypedDict's name in `stripe.params`, such as `CustomerCreateParams` or
            `checkout.SessionCreateParams`; empty for an endpoint that takes nothing.
        values: as they came, decoded from the form: leaves are text.

    Raises:
        ShapeError: an unknown parameter, a missing one, or one that cannot be read.
    """
    if not shape:
        if values:
            raise ShapeError("no parameters", next(iter(values)), "unknown parameter", is_unknown=True)
        return {}
    checked: dict[str, Any] = _checked(shape, _request_adapter(shape), values)
    return checked


def check_answer(value: dict[str, Any]) -> None:
    """Insist that what we are about to answer is what the library expects.

    Raises:
        ShapeError: a field the library does not know, one that is missing, or one of another type.
    """
    name = value.get("object")
    if name == "list":
        _checked("list", _list_adapter(), value)
        for one in value["data"]:
            check_answer(one)
        return
    if name not in OBJECT_CLASSES:
        raise ShapeError("answer", "object", f"the library knows no object {name!r}")
    module, cls = OBJECT_CLASSES[name]
    _checked(str(name), _answer_adapter(module, cls), value)


def _checked(shape: str, adapter: "TypeAdapter[Any]", value: Any) -> Any:  # noqa: ANN401 - JSON
    try:
        return adapter.validate_python(value)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        path = [
            str(part) for part in first["loc"] if not str(part).startswith(("function-", "literal[", "_"))
        ]
        where = path[0] + "".join(f"[{part}]" for part in path[1:]) if path else ""
        raise ShapeError(shape, where, first["msg"], is_unknown=first["type"] == "extra_forbidden") from None


@cache
def _request_adapter(shape: str) -> "TypeAdapter[Any]":
    home, _, name = shape.rpartition(".")
    module = importlib.import_module(f"stripe.params.{home}" if home else "stripe.params")
    return TypeAdapter(_dict_of(getattr(module, name)))


@cache
def _answer_adapter(module: str, name: str) -> "TypeAdapter[Any]":
    return TypeAdapter(_object_of(getattr(importlib.import_module(module), name)))


class _List(TypedDict):
    __pydantic_config__ = _ANSWERED  # type: ignore[misc] # how pydantic wants to be told

    object: Literal["list"]
    data: list[dict[str, Any]]
    has_more: bool
    url: str


@cache
def _list_adapter() -> "TypeAdapter[Any]":
    return TypeAdapter(_List)


@cache
def _dict_of(cls: type) -> Any:  # noqa: ANN401 - a type made at run time
    """Return the stricter twin of a TypedDict of the library."""
    plain = {
        name: hint for name, hint in cls.__annotations__.items() if name not in RequestOptions.__annotations__
    }
    fields: dict[str, Any] = {}
    for name, found in _hints(plain, sys.modules[cls.__module__]).items():
        hint, is_needed = found, name in cls.__required_keys__  # type: ignore[attr-defined]
        if get_origin(hint) in {NotRequired, Required}:
            (hint,) = get_args(hint)
        fields[name] = Required[_tight(hint)] if is_needed else NotRequired[_tight(hint)]
    return _typed_dict(cls.__name__, fields, _ASKED)


def _object_of(cls: type[StripeObject]) -> Any:  # noqa: ANN401 - a type made at run time
    """Return a TypedDict with the fields of a class of the library; what may be None may be left out."""
    plain = {
        name: hint
        for base in reversed(cls.__mro__)
        if issubclass(base, StripeObject) and base.__module__ == cls.__module__
        for name, hint in inspect.get_annotations(base).items()
        if not (name.isupper() or name.startswith("_"))  # OBJECT_NAME
    }
    fields: dict[str, Any] = {}
    for name, hint in _hints(plain, sys.modules[cls.__module__]).items():
        is_needed = type(None) not in get_args(hint) and name != "deleted"
        fields[name.rstrip("_")] = Required[_tight(hint)] if is_needed else NotRequired[_tight(hint)]
    return _typed_dict(cls.__name__, fields, _ANSWERED)


def _typed_dict(name: str, fields: dict[str, Any], how: ConfigDict) -> Any:  # noqa: ANN401 - a type
    made = TypedDict(name, fields)  # type: ignore[misc] # pydantic reads it, mypy need not
    setattr(made, "__pydantic_config__", how)  # noqa: B010 - an attribute only pydantic knows
    return made


def _tight(hint: Any) -> Any:  # noqa: ANN401 - a type
    origin, inner = get_origin(hint), get_args(hint)
    if origin is Union or origin is types.UnionType:
        listed = [one for one in inner if get_origin(one) is Literal and get_args(one) != ("",)]
        kept = [_tight(one) for one in inner if not (listed and one is str)]
        return functools.reduce(operator.or_, kept)
    if origin is list:
        return list[_tight(inner[0])]  # type: ignore[misc] # a type made at run time
    if origin is dict:
        return dict[_tight(inner[0]), _tight(inner[1])]  # type: ignore[misc] # a type made at run time
    if isinstance(origin, type) and issubclass(origin, ListObject):
        return Annotated[Any, BeforeValidator(_check_inside)]
    cls = origin if isinstance(origin, type) else hint
    if not isinstance(cls, type):
        return hint
    if is_typeddict(cls):
        return _dict_of(cls)
    if issubclass(cls, UntypedStripeObject):
        return dict[str, Any]
    if issubclass(cls, StripeObject):
        is_resource = bool(getattr(cls, "OBJECT_NAME", ""))
        return Annotated[Any, BeforeValidator(_check_inside)] if is_resource else _object_of(cls)
    return hint


def _check_inside(value: Any) -> Any:  # noqa: ANN401 - JSON
    if not isinstance(value, dict):
        message = "neither an id nor an object"
        raise ValueError(message)  # noqa: TRY004 - pydantic takes this one for a fault of the value
    try:
        check_answer(value)
    except ShapeError as error:
        raise ValueError(str(error)) from None
    return value


class _Names(dict[str, Any]):
    """The names a module of the library imports for type checkers alone."""

    def __init__(self, module: types.ModuleType) -> None:
        super().__init__()
        self._froms = _imports(module)

    def __missing__(self, name: str) -> Any:  # noqa: ANN401 - a type
        if name not in self._froms:
            raise KeyError(name)
        module, original = self._froms[name]
        self[name] = getattr(importlib.import_module(module), original)
        return self[name]


@cache
def _imports(module: types.ModuleType) -> dict[str, tuple[str, str]]:
    found: dict[str, tuple[str, str]] = {}
    for node in ast.parse(inspect.getsource(module)).body:
        if isinstance(node, ast.If):
            for inner in node.body:
                if isinstance(inner, ast.ImportFrom) and inner.module:
                    found |= {one.asname or one.name: (inner.module, one.name) for one in inner.names}
    return found


def _hints(annotations: dict[str, Any], module: types.ModuleType) -> dict[str, Any]:
    holder = types.SimpleNamespace(__annotations__=annotations)
    return get_type_hints(holder, globalns=vars(module), localns=_Names(module), include_extras=True)

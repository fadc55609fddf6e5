"""
The JSON Schema of profile files, made from the classes of `spec.profile`.

Tables are closed: every key is needed and no other is known. Numbers are integers within the bounds of their unit.
`profiles/schema.json` is the same schema as a document, for others; a test holds it current.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Final, get_args, get_origin, get_type_hints

from attrs import fields
from jsonschema import Draft202012Validator, ValidationError, validators

from spec.values.identifiers import Text
from spec.values.quantities import Natural

Schema = dict[str, Any]

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"


def document(title: Text, tables: Mapping[Text, type]) -> Schema:
    """The schema of a file with these tables, each of which is a class of natural numbers."""
    return {"$schema": DIALECT, "title": title, **_table({name: _numbers(kind) for name, kind in tables.items()})}


def _table(properties: dict[str, Schema]) -> Schema:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _numbers(kind: type) -> Schema:
    hints = get_type_hints(kind, include_extras=True)
    return _table({field.name: _number(hints[field.name]) for field in fields(kind)})


def _number(hint: Any) -> Schema:
    assert get_origin(hint) is Annotated, f"{hint} has no unit"
    (natural,) = (mark for mark in get_args(hint)[1:] if isinstance(mark, Natural))
    bounds = {"minimum": natural.least} | ({} if natural.most is None else {"maximum": natural.most})
    return {"description": f"in {natural.unit}", "type": "integer", **bounds}


def _is_integer(_: object, value: object) -> bool:
    """TOML tells `1.0` from `1`, and so do profiles."""
    return isinstance(value, int) and not isinstance(value, bool)


Validator: Final = validators.extend(
    Draft202012Validator, type_checker=Draft202012Validator.TYPE_CHECKER.redefine("integer", _is_integer)
)


def first_defect(schema: Schema, given: object) -> Text | None:
    """What is wrong with the content of a file first, as `KEY: what`; None if nothing is."""
    found = sorted(defect for error in Validator(schema).iter_errors(given) for defect in _defects(error))
    return found[0] if found else None


def _defects(error: ValidationError) -> list[Text]:
    at = [str(part) for part in error.absolute_path]
    match error.validator:
        case "additionalProperties":
            unknown = error.instance.keys() - error.schema["properties"].keys()
            return [f"{'.'.join([*at, str(key)])}: unknown key" for key in unknown]
        case "required":
            missing = error.validator_value if isinstance(error.instance, dict) else []
            return [f"{'.'.join([*at, key])}: missing" for key in missing if key not in error.instance]
        case "minimum":
            what = f"{error.instance} is less than {error.validator_value}"
        case "maximum":
            what = f"{error.instance} is more than {error.validator_value}"
        case _ if error.validator_value == "object":
            what = "a table is needed"
        case _:
            what = f"{error.instance!r} is not an integer"
    return [f"{'.'.join(at)}: {what}"]

"""Holds files against a published schema. Usage: validate.py junit|sarif FILE..."""

import json
import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
SCHEMAS = HERE.parent.parent / "target" / "schemas"


def junit(files):
    from lxml import etree

    schema = etree.XMLSchema(etree.parse(SCHEMAS / "junit-10.xsd"))
    for file in files:
        if not schema.validate(etree.parse(file)):
            for error in schema.error_log:
                yield f"{file}:{error.line}: {error.message}"


def sarif(files):
    import jsonschema

    schema = json.loads((SCHEMAS / "sarif-2.1.0.json").read_text())
    validator = jsonschema.validators.validator_for(schema)(schema)
    for file in files:
        log = json.loads(pathlib.Path(file).read_text())
        for error in validator.iter_errors(log):
            place = "/".join(map(str, error.absolute_path))
            yield f"{file}: {place}: {error.message[:300]}"


def main(kind, *files):
    errors = list({"junit": junit, "sarif": sarif}[kind](files))
    for error in errors:
        print(error)
    return bool(errors)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

"""Holds files against a published schema. Usage: validate.py junit|sarif|jobs FILE...

Of `jobs` the files are pages: their YAML blocks are held against the schema of GitHub's workflows, or of GitLab's jobs.
"""

import json
import pathlib
import re
import subprocess
import sys
import tempfile

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


def jobs(files):
    program = SCHEMAS / "bin" / "check-jsonschema"
    for file in files:
        blocks = re.findall(r"^```yaml\n(.*?)^```$", pathlib.Path(file).read_text(), re.M | re.S)
        if not blocks:
            yield f"{file}: there is no YAML in it"
        for number, block in enumerate(blocks, 1):
            is_github = re.search(r"^on:", block, re.M)
            schema = ["vendor.github-workflows"] if is_github else ["vendor.gitlab-ci", "--data-transform", "gitlab-ci"]
            with tempfile.NamedTemporaryFile("w", suffix=".yml") as snippet:
                snippet.write(block)
                snippet.flush()
                done = subprocess.run(
                    [program, "--builtin-schema", *schema, snippet.name], capture_output=True, text=True, check=False
                )
            if done.returncode != 0:
                yield f"{file}: YAML block {number}: {done.stdout}{done.stderr}"


def main(kind, *files):
    errors = list({"junit": junit, "sarif": sarif, "jobs": jobs}[kind](files))
    for error in errors:
        print(error)
    return bool(errors)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

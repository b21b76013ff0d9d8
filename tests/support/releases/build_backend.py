"""A build system without anything to download, for checkouts of tests: pip installs them editable (PEP 660)."""

import os
import tomllib
import zipfile


def build_editable(wheel_directory, config_settings=None, metadata_directory=None):
    """Write the wheel that names this directory; its file's name."""
    with open("pyproject.toml", "rb") as file:
        project = tomllib.load(file)["project"]
    stem = f"{project['name'].replace('-', '_')}-{project['version']}"
    about = f"{stem}.dist-info"
    lines = ["Metadata-Version: 2.1", f"Name: {project['name']}", f"Version: {project['version']}"]
    lines += [f"Requires-Dist: {need}" for need in project["dependencies"]]
    for extra, needs in project.get("optional-dependencies", {}).items():
        lines += [f"Provides-Extra: {extra}", *(f"Requires-Dist: {_only_for(extra, need)}" for need in needs)]
    scripts = [f"{name} = {function}" for name, function in project["scripts"].items()]
    files = {
        f"_{stem.partition('-')[0]}.pth": f"{os.getcwd()}\n",
        f"{about}/METADATA": "\n".join([*lines, ""]),
        f"{about}/WHEEL": "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{about}/entry_points.txt": "\n".join(["[console_scripts]", *scripts, ""]),
    }
    name = f"{stem}-py3-none-any.whl"
    with zipfile.ZipFile(f"{wheel_directory}/{name}", "w") as archive:
        for path, text in files.items():
            archive.writestr(path, text)
        archive.writestr(f"{about}/RECORD", "".join(f"{path},,\n" for path in [*files, f"{about}/RECORD"]))
    return name


def _only_for(extra, need):
    need, _, marker = need.partition(";")
    return f'{need}; ({marker.strip()}) and extra == "{extra}"' if marker else f'{need}; extra == "{extra}"'

"""`python -m benchmarks`: what can be measured."""

import ast
from pathlib import Path


def main() -> None:
    """Print the first line of each benchmark's description; files that benchmarks share have none such."""
    for path in sorted(Path(__file__).parent.glob("*.py")):
        text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
        if path.stem != "__main__" and text and text.startswith("`python -m"):
            print(text.splitlines()[0])


if __name__ == "__main__":
    main()

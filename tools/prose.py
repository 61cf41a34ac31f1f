"""What docstrings say: their ``Args:`` and ``Attributes:`` entries, and the rule that each begins with a noun.

The rule, word by word, so that a test can decide it. An entry

* begins with a capital letter, or with a name as it is written (``code``, nnU-Net, λ), not with a bracket or a number;
* does not begin with a preposition, a question word, a pronoun, a verb, or a participle without its noun;
* begins with "Whether" only where the type is ``bool`` (as in NumPy and TorchIO);
* says more than one word.
"""

from __future__ import annotations

import ast
import inspect
import re
import string
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


PREPOSITIONS = _words(
    "about above across after against along among as at before behind below beneath beside between beyond by despite "
    "during except for from in inside into like near of off on onto out outside over per since through throughout to "
    "toward towards under until upon via with within without"
)
QUESTIONS = _words("how what when where which who whose why if unless because so that than then while")
PRONOUNS = _words("he her his i it its me my our she their them these they this those us we you your")
VERBS = _words(
    "accept accepts add allow allows append apply ask be begins calls choose compute decide decides do does get give "
    "gives go goes has have ignore is keep keeps leave leaves let lets make makes overwrite predict predicts read "
    "reads resample restore restrict returns save says see take takes tells write writes yield yields are was were "
    "will must should can may not"
)
#: First words that no entry begins with.
NO_NOUNS = PREPOSITIONS | QUESTIONS | PRONOUNS | VERBS
#: Nouns that are verbs if an article follows: "Copy of the plans", but not "Copy the plans".
NOUN_OR_VERB = _words(
    "average build copy count draw drop end fill hold link list mark mask name number paint pass print replace return "
    "run score set show skip start turn use wait"
)
ARTICLES = _words("the a an all any each every only them it")
#: Participles and adjectives that need a noun: "Wanted spacing", but not "Wanted, in mm" or "Drawn by the caller".
IRREGULAR = _words("built drawn given held kept known left made said seen shown taken written")
ADJECTIVES = _words("boolean finite optional integer healthy present positive relative sorted")
NOUNS_IN_ED = _words("seed speed need feed")
#: Names that are written in lower case.
AS_WRITTEN = ("nnU-Net", "nnssl", "nnunet_uad", "dtype", "p-value")
_WORD = re.compile(r"[A-Za-z]+(?:-[A-Za-z]+)*")
_HEADING = re.compile(r"^(\w[\w ]*):$")
_ENTRY = re.compile(r"^ {4}(\*{0,2}\w+)(?: \([^)]*\))?:(?: (.*))?$")


@dataclass(frozen=True)
class Entry:
    """One line of ``Args:`` or ``Attributes:``.

    Attributes:
        name: Name of the argument or attribute.
        text: First line of what is said about it.
        boolean: Whether its annotation is ``bool``.
        line: Line of the function or class in its file.
    """

    name: str
    text: str
    boolean: bool
    line: int


def entries_of(docstring: str) -> Iterator[tuple[str, str]]:
    """Name and first line of every entry below ``Args:`` and ``Attributes:`` of a Google docstring."""
    section = ""
    for line in inspect.cleandoc(docstring).splitlines():
        if heading := _HEADING.match(line):
            section = heading[1]
        elif line and not line.startswith(" "):
            section = ""
        elif section in ("Args", "Attributes") and (entry := _ENTRY.match(line)):
            yield entry[1], (entry[2] or "").strip()


def annotations_of(node: ast.AST) -> dict[str, str]:
    """Argument of a function, or annotated attribute of a class → its annotation as text."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        arguments = arguments_of(node)
        return {a.arg: ast.unparse(a.annotation) for a in arguments if a.annotation is not None}
    if isinstance(node, ast.ClassDef):
        fields = [s for s in node.body if isinstance(s, ast.AnnAssign) and isinstance(s.target, ast.Name)]
        own = {ast.unparse(s.target): ast.unparse(s.annotation) for s in fields}
        constructors = [s for s in node.body if isinstance(s, ast.FunctionDef) and s.name == "__init__"]
        return {**own, **(annotations_of(constructors[0]) if constructors else {})}
    return {}


def arguments_of(function: ast.FunctionDef | ast.AsyncFunctionDef) -> list[ast.arg]:
    """All arguments of a function, ``*args`` and ``**kwargs`` included."""
    listed = function.args
    starred = [a for a in (listed.vararg, listed.kwarg) if a is not None]
    return [*listed.posonlyargs, *listed.args, *listed.kwonlyargs, *starred]


def entries(path: Path) -> list[Entry]:
    """Every entry of a file's docstrings."""
    return [
        Entry(name, text, "bool" in annotations_of(node).get(name.lstrip("*"), ""), node.lineno)
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
        for name, text in entries_of(ast.get_docstring(node) or "")
    ]


def first_word(text: str) -> str:
    """First word of an entry in lower case, without punctuation; empty where it begins with a sign."""
    word = _WORD.match(text)
    return word[0].lower() if word else ""


def is_noun_phrase(text: str, boolean: bool = False) -> bool:
    """Whether an entry begins with a noun, as far as its first two words tell.

    Args:
        text: First line of the entry.
        boolean: Whether it is about a ``bool``, which "Whether …" describes.
    """
    first = first_word(text)
    rest = text[len(first) :]
    second = first_word(rest.lstrip())
    if first in NO_NOUNS or (first == "whether" and not boolean):
        return False
    if first in NOUN_OR_VERB and second in ARTICLES:
        return False
    participle = (first.endswith("ed") and first not in NOUNS_IN_ED) or first in IRREGULAR | ADJECTIVES
    return not (participle and (not second or rest[:1] in ",.;:" or second in PREPOSITIONS))


def fault(entry: Entry) -> str | None:
    """What is wrong with an entry, ``None`` if nothing is."""
    text = entry.text
    if len(text.split()) < 2 and not text.startswith("`"):
        return "says less than two words"
    if not is_noun_phrase(text, entry.boolean):
        return f'begins with "{" ".join(text.split()[:2])}", no noun'
    if text[0] in "([{" or text[0].isdigit():
        return "begins with a shape or a number, no noun"
    if text[0] in string.ascii_lowercase and not text.startswith(AS_WRITTEN):
        return "does not begin with a capital letter"
    return None


def undocumented(path: Path) -> list[str]:
    """The module, and its public classes, functions and methods, that have no docstring."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    missing = [] if ast.get_docstring(tree) else ["module"]
    waiting: list[tuple[str, ast.AST]] = [("", tree)]
    while waiting:
        prefix, parent = waiting.pop()
        for node in ast.iter_child_nodes(parent):
            if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) or node.name[0] == "_":
                continue
            if not ast.get_docstring(node):
                missing.append(f"{prefix}{node.name}")
            if isinstance(node, ast.ClassDef):
                waiting.append((f"{prefix}{node.name}.", node))
    return sorted(missing)

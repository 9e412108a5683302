"""Reading conditions: text to tree, every mistake told with its part and the fix; nothing is ever executed."""

import ast
import math
import re
import warnings
from collections.abc import Sequence
from datetime import date
from typing import Any

from crm_analysis.base.errors import Problem, SettingsError, nearest
from crm_analysis.segmentation.conditions import (
    COLUMNS,
    Arithmetic,
    Combination,
    Comparison,
    Condition,
    Feature,
    Known,
    Membership,
    Negation,
    Term,
    Truth,
    Value,
    calculate,
    features_of,
    kind_of,
)
from crm_analysis.sources.columns import CUSTOMER_ID

MOST_CHARACTERS = 2_000
DEEPEST = 40
_EXAMPLE = "write a condition such as: spend_amount_90d >= 5000 and order_count_90d >= 3"


def parse_condition(text: str, *, where: str = "condition") -> Condition:
    """Return a condition as a tree.

    Parameters
    ----------
    where
        Place for messages.

    Raises
    ------
    SettingsError
        The text is no condition; everything that is wrong with it is told.
    """
    condition, problems = read_condition(text, where=where)
    if condition is None or problems:
        raise SettingsError(problems)
    return condition


def read_condition(text: str, *, where: str) -> tuple[Condition | None, list[Problem]]:
    """Return the tree of a condition (nothing where it is wrong) and all its problems."""
    if len(text) > MOST_CHARACTERS:
        what = f"the condition has {len(text)} characters; at most {MOST_CHARACTERS} are read"
        return None, [Problem(what, where, "split it into several tiers, or list values with 'in [...]'")]
    line = re.sub(r"\s*\n\s*", " ", text.strip())
    if not line:
        return None, [Problem("the condition is empty", where, _EXAMPLE)]
    if "#" in re.sub(r"'[^']*'|\"[^\"]*\"", "", line):
        return None, [Problem("a condition holds no comments", where, "put what follows # outside of the quotes")]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(line, mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        return None, [_unreadable(line, error, where)]
    reader = _Reader(line, where)
    condition = reader.condition(tree.body, depth=0)
    return (None if reader.problems else condition), reader.problems


def _unreadable(line: str, error: BaseException, where: str) -> Problem:
    """Return why a text is no expression, with the mistake that it most likely is."""
    bare = re.sub(r"'[^']*'|\"[^\"]*\"", "''", line)
    hints = (
        (r"[≥≤≠＞＜＝（），“”‘’]", "write >= <= != > < == ( ) , and straight quotes"),
        (r"(?<![<>=!])=(?!=)", "write == to compare: company_size == 'large'"),
        (r"&&|\|\||<>|!(?!=)", "write and, or, not and !="),
        (r"\d\s*%", "write shares as 0.05"),
        (r"['\"](?!['\"])(?<!''.)", "close every quote"),
    )
    fix = next((hint for form, hint in hints if re.search(form, bare)), _EXAMPLE)
    if bare.count("(") != bare.count(")") or bare.count("[") != bare.count("]"):
        fix = "close every bracket that is opened"
    at = getattr(error, "offset", None)
    place = f" at {line[max(0, at - 1) :][:20]!r}" if isinstance(at, int) and 0 < at <= len(line) else ""
    return Problem(f"the condition cannot be read{place}: {line[:60]!r}", where, fix)


_COMPARED = {ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=", ast.Eq: "==", ast.NotEq: "!="}
_SIGNS = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/"}
_PARTS = {
    ast.Call: "a call", ast.Attribute: "an attribute", ast.Subscript: "a subscript", ast.Lambda: "a lambda",
    ast.IfExp: "a choice", ast.ListComp: "a comprehension", ast.SetComp: "a comprehension", ast.DictComp:
    "a comprehension", ast.GeneratorExp: "a comprehension", ast.JoinedStr: "a formatted text", ast.NamedExpr:
    "an assignment", ast.Dict: "a mapping", ast.Set: "a set", ast.List: "a list", ast.Starred: "a star",
    ast.Yield: "a yield", ast.Await: "an await",
}  # fmt: skip
_SEPARATED = "write numbers without separators, such as 5000, and join conditions by and / or"


class _Reader:
    """Turns the syntax tree of one text into a condition and collects what is wrong."""

    def __init__(self, line: str, where: str) -> None:
        self.line, self.where = line, where
        self.problems: list[Problem] = []

    def condition(self, node: ast.expr, *, depth: int) -> Condition | None:
        """Return what stands where a condition is wanted."""
        found: Condition | None = None
        match node:
            case _ if depth > DEEPEST:
                self._wrong("the condition is nested too deeply", "split it into several tiers")
            case ast.BoolOp():
                word = "and" if isinstance(node.op, ast.And) else "or"
                parts = [self.condition(part, depth=depth + 1) for part in node.values]
                found = Combination(word, tuple(part for part in parts if part is not None))
            case ast.UnaryOp(op=ast.Not()):
                part = self.condition(node.operand, depth=depth + 1)
                found = None if part is None else Negation(part)
            case ast.Constant(value=bool()) | ast.Name(id="true" | "false"):
                found = Truth(ast.unparse(node).lower() == "true")
            case ast.Compare():
                found = self._comparison(node, depth=depth + 1)
            case ast.Call(func=ast.Name(id="known")):
                found = self._known(node)
            case ast.Name() | ast.Constant() | ast.BinOp() | ast.UnaryOp():
                if self.term(node, depth=depth + 1) is not None:
                    self._wrong(
                        f"{self._text(node)!r} is a value, no condition", f"compare it: {self._text(node)} >= 1"
                    )
            case _:
                self._refused(node)
        return found

    def term(self, node: ast.expr, *, depth: int) -> Term | None:
        """Return what stands where a value is wanted."""
        found: Term | None = None
        match node:
            case _ if depth > DEEPEST:
                self._wrong("the condition is nested too deeply", "split it into several tiers")
            case ast.Name():
                found = self._feature(node)
            case ast.Constant():
                found = self._value(node)
            case ast.UnaryOp(op=ast.USub() | ast.UAdd()):
                sign = "-" if isinstance(node.op, ast.USub) else "+"
                found = self._arithmetic(sign, Value(0.0), self.term(node.operand, depth=depth + 1), node)
            case ast.BinOp() if type(node.op) in _SIGNS:
                left, right = (self.term(side, depth=depth + 1) for side in (node.left, node.right))
                found = self._arithmetic(_SIGNS[type(node.op)], left, right, node)
            case ast.BinOp():
                what = f"{self._text(node)!r} holds an operator that conditions do not know"
                self._wrong(what, "use + - * /; join conditions by and / or")
            case ast.Compare() | ast.BoolOp() | ast.UnaryOp():
                what = f"{self._text(node)!r} is a condition where a value is wanted"
                self._wrong(what, "join conditions by and / or, with brackets around each")
            case _:
                self._refused(node)
        return found

    def _comparison(self, node: ast.Compare, *, depth: int) -> Condition | None:
        kinds = [type(sign) for sign in node.ops]
        if any(kind in {ast.Is, ast.IsNot} for kind in kinds):
            what = f"{self._text(node)!r} asks with 'is'"
            return self._wrong(what, "ask for missing values by known(name) or not known(name)")
        if any(kind in {ast.In, ast.NotIn} for kind in kinds):
            if len(kinds) > 1:
                return self._wrong(f"{self._text(node)!r} chains 'in'", "join the comparisons by and")
            return self._membership(node, is_negated=kinds[0] is ast.NotIn, depth=depth)
        terms = [self.term(side, depth=depth) for side in (node.left, *node.comparators)]
        whole = [term for term in terms if term is not None]
        if len(whole) < len(terms):
            return None
        for number, sign in enumerate(_COMPARED[kind] for kind in kinds):
            pair = self._matched(whole[number], whole[number + 1], sign, node)
            if pair is None:
                return None
            whole[number], whole[number + 1] = pair
        return Comparison(whole[0], tuple(zip([_COMPARED[kind] for kind in kinds], whole[1:], strict=True)))

    def _membership(self, node: ast.Compare, *, is_negated: bool, depth: int) -> Condition | None:
        listed = node.comparators[0]
        term = self.term(node.left, depth=depth)
        if not isinstance(listed, (ast.List, ast.Tuple, ast.Set)) or not listed.elts:
            what = f"{self._text(listed)!r} is no list of values"
            return self._wrong(what, "write values in brackets: company_size in ['micro', 'small']")
        values = [self.term(item, depth=depth) for item in listed.elts]
        if term is None or any(value is None for value in values):
            return None
        told: list[Value] = []
        for value in values:
            if not isinstance(value, Value):
                what = f"{self._text(listed)!r} holds more than plain values"
                return self._wrong(what, "list numbers or quoted texts, and compare features by ==")
            pair = self._matched(term, value, "==", node)
            if pair is None or not isinstance(pair[1], Value):
                return None
            told.append(pair[1])
        return Membership(term, tuple(dict.fromkeys(told)), is_negated)

    def _matched(self, left: Term, right: Term, sign: str, node: ast.Compare) -> tuple[Term, Term] | None:
        """Return two terms of the same kind, texts beside a day read as days."""
        if not [*features_of(left), *features_of(right)]:
            return self._wrong(f"{self._text(node)!r} compares values with each other", "name a feature")
        kinds = kind_of(left), kind_of(right)
        if set(kinds) == {"day", "text"}:
            left, right = self._as_day(left), self._as_day(right)
            kinds = kind_of(left), kind_of(right)
        if kinds[0] != kinds[1]:
            named = [term.name for term in (left, right) if isinstance(term, Feature)]
            told = f"{named[0]!r} is a {kind_of(_of(named[0]))}" if named else "its sides are of two kinds"
            fix = {"text": "compare texts with quoted texts", "day": "write days as '2025-09-30'"}
            advice = next((fix[kind] for kind in kinds if kind in fix and named), "compare numbers with numbers")
            if named and kind_of(_of(named[0])) == "number":
                advice = "compare it with a number, without quotes"
            return self._wrong(f"{self._text(node)!r}: {told}, compared with a {_other(kinds, named)}", advice)
        if kinds[0] == "text" and sign not in {"==", "!="}:
            return self._wrong(f"{self._text(node)!r}: texts have no order", "use == or != or in ['a', 'b']")
        return left, right

    def _as_day(self, term: Term) -> Term:
        if isinstance(term, Value) and isinstance(term.value, str):
            try:
                return Value(date.fromisoformat(term.value))
            except ValueError:
                return term
        return term

    def _known(self, node: ast.Call) -> Condition | None:
        if len(node.args) != 1 or node.keywords or not isinstance(node.args[0], ast.Name):
            return self._wrong(
                f"{self._text(node)!r} does not name one feature", "write known(name), such as known(points)"
            )
        feature = self._feature(node.args[0])
        return None if feature is None else Known(feature)

    def _feature(self, node: ast.Name) -> Feature | None:
        if node.id == CUSTOMER_ID.name:
            what = "a condition names customer_id: tiers are rules, not lists of customers"
            return self._wrong(what, "move single customers by the table overrides")
        if node.id in {"true", "false", "null", "none"}:
            return self._wrong(f"{node.id!r} cannot be compared", "ask for missing values by not known(name)")
        if node.id not in COLUMNS:
            names = [name for name in COLUMNS if name != CUSTOMER_ID.name]
            fix = nearest(node.id, names, kind="features")
            if fix.startswith("features:"):
                fix = f"use a feature such as {', '.join(names[:4])}, recency_days, order_count_90d; quote texts"
            return self._wrong(f"there is no feature {node.id!r}", fix)
        return Feature(COLUMNS[node.id])

    def _value(self, node: ast.Constant) -> Value | None:
        value = node.value
        if isinstance(value, str):
            return Value(value)
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            try:
                number = float(value)
            except OverflowError:
                number = math.inf
            if math.isfinite(number):
                return Value(number)
            return self._wrong(f"{self._text(node)[:20]!r} is too large", "give a smaller number")
        if value is None:
            return self._wrong("'None' cannot be compared", "ask for missing values by not known(name)")
        return self._wrong(f"{self._text(node)!r} is no value", "use numbers and quoted texts")

    def _arithmetic(self, sign: str, left: Term | None, right: Term | None, node: ast.expr) -> Term | None:
        if left is None or right is None:
            return None
        if {kind_of(left), kind_of(right)} != {"number"}:
            return self._wrong(
                f"{self._text(node)!r} calculates with what is no number", "calculate with numbers alone"
            )
        if sign == "/" and right == Value(0.0):
            return self._wrong(f"{self._text(node)!r} divides by 0", "divide by something else")
        if isinstance(left, Value) and isinstance(right, Value):
            result = calculate(sign, float(left.value), float(right.value))  # type: ignore[arg-type]
            if not math.isfinite(result):
                return self._wrong(f"{self._text(node)!r} is too large", "give smaller numbers")
            return Value(result)
        return right if sign == "+" and left == Value(0.0) else Arithmetic(sign, left, right)

    def _refused(self, node: ast.expr) -> None:
        if isinstance(node, ast.Tuple):
            return self._wrong(f"{self._text(node)!r} is split by commas", _SEPARATED)
        named = _PARTS.get(type(node), "nothing that conditions know")
        what = f"{self._text(node)!r} is {named}"
        return self._wrong(what, "use features, values, comparisons, and / or / not, + - * / and known(name)")

    def _wrong(self, what: str, fix: str) -> Any:
        """Note a problem and return nothing, in place of what cannot be read."""
        self.problems.append(Problem(what, self.where, fix))
        return None

    def _text(self, node: ast.expr) -> str:
        text = ast.get_source_segment(self.line, node) or ast.unparse(node)
        return text if len(text) <= 60 else f"{text[:60]}..."


def _of(name: str) -> Feature:
    return Feature(COLUMNS[name])


def _other(kinds: Sequence[str], named: Sequence[str]) -> str:
    mine = kind_of(_of(named[0])) if named else kinds[0]
    return next((kind for kind in kinds if kind != mine), mine)

"""What may be shown: texts without secrets, in a form and length that every message can carry.

Whatever goes to PostgreSQL as a message passes through `clean`.

Secret are the values of options whose name contains one of SECRET_WORDS, as a word of its own
(`api_key`, `apiKey`, `token2`) or at the end of one (`sslpassword`). Two exceptions keep error
messages legible: `key` in a name that speaks of the structure of data (`primary_key`,
`key_column`), and values that say yes or no (`password_required 'false'`). In addition, the
passwords inside URLs and connection strings are secret, whatever the option is called.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

MASK = "********"
LONGEST = 100_000

# Shorter values are hidden only where they stand alone: they may be parts of ordinary words.
SHORT = 8

SECRET_WORDS = (
    "password",
    "passwords",
    "passwd",
    "pwd",
    "passphrase",
    "passcode",
    "secret",
    "secrets",
    "token",
    "tokens",
    "key",
    "keys",
    "apikey",
    "apikeys",
    "credential",
    "credentials",
)

STRUCTURE_WORDS = frozenset(
    (
        "attribute",
        "attributes",
        "attr",
        "attrs",
        "column",
        "columns",
        "clustering",
        "composite",
        "distribution",
        "field",
        "fields",
        "foreign",
        "natural",
        "order",
        "ordering",
        "partition",
        "primary",
        "row",
        "rowid",
        "sort",
        "surrogate",
        "unique",
    )
)

ANSWERS = frozenset(("true", "false", "yes", "no", "on", "off"))

# Every form in which a secret may appear, and whether only where it stands alone.
_forms: dict[str, bool] = {}


def remember_secrets(options: Mapping[str, str]) -> bool:
    """Hide the secret ones among these options from every message from now on.

    Returns:
        Whether there is anything to hide, of these options or of others.
    """
    for name, value in options.items():
        if not isinstance(value, str):
            continue
        if is_secret_name(name):
            _remember(value)
        for secret in _embedded_secrets(value):
            _remember(secret)
    return bool(_forms)


def exposed_secrets(options: Mapping[str, str]) -> list[str]:
    """Return the names of those options whose values are, or hold, what should be a secret.

    `keys` is none of them: in an option of a table, these are those of its rows.
    """
    return [
        name
        for name, value in options.items()
        if (name != "keys" and is_secret_name(name) and _is_secret(value))
        or any(map(_is_secret, _embedded_secrets(value)))
    ]


def _is_secret(value: str) -> bool:
    """Return whether there is something to hide in the value of an option for secrets."""
    return bool(value.strip("*")) and value.lower() not in ANSWERS


def _remember(value: str) -> None:
    """Hide one value."""
    if not _is_secret(value):
        return
    forms = {value}
    for _ in range(2):  # a message may quote a message
        forms |= {escaped for form in forms for escaped in _escaped_forms(form)}
    alone = len(value) < SHORT
    for form in forms:
        _forms[form] = alone and _forms.get(form, True)


def _escaped_forms(text: str) -> Iterator[str]:
    """Yield a text as Python, JSON, SQL, connection strings and URLs write it within quotes."""
    for written in (repr, ascii):
        yield written(text)[1:-1]
        # In a longer text that holds both kinds of quotes, the single one is escaped.
        yield written("'\"" + text)[4:-1]
    octets = text.encode("utf-8", "surrogatepass")
    yield repr(octets)[2:-1]
    yield text.replace("'", "''")
    yield text.replace("\\", "\\\\").replace("'", "\\'")
    yield _json_form(text, every=False)
    yield _json_form(text, every=True)
    for safe in ("/", ""):
        quoted = "".join(
            chr(octet) if chr(octet) in safe or _is_unreserved(octet) else f"%{octet:02X}"
            for octet in octets
        )
        yield quoted
        yield quoted.replace("%20", "+")


def _is_unreserved(octet: int) -> bool:
    """Return whether a URL shows this octet as it is."""
    return octet < 128 and (chr(octet).isalnum() or chr(octet) in "_.-~")


def _json_form(text: str, every: bool) -> str:
    """Return a text as JSON writes it within quotes, with `every` beyond ASCII escaped."""
    short = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"}
    units = []
    for char in text:
        code = ord(char)
        if char in short:
            units.append(short[char])
        elif 32 <= code < 128 or (code >= 128 and not every):
            units.append(char)
        elif code < 0x10000:
            units.append(f"\\u{code:04x}")
        else:
            code -= 0x10000
            units.append(f"\\u{0xD800 | code >> 10:04x}\\u{0xDC00 | code & 0x3FF:04x}")
    return "".join(units)


def is_secret_name(name: str) -> bool:
    """Return whether the value of an option of this name is a secret."""
    words = [word.rstrip("0123456789").lower() for word in _words(name)]
    if "pass" in words:
        return True
    found = {secret for word in words for secret in SECRET_WORDS if word.endswith(secret)}
    if not found or found - {"key", "keys"}:
        return bool(found)
    return not any(
        word in STRUCTURE_WORDS or word.removesuffix("s").removesuffix("key") in STRUCTURE_WORDS
        for word in words
    )


def _words(name: str) -> list[str]:
    """Split a name like `accessKey_id` into its words."""
    words = [""]
    for index, char in enumerate(name):
        before, after = name[index - 1 : index], name[index + 1 : index + 2]
        if not char.isalnum():
            words.append("")
        elif char.isupper() and (before.islower() or (before.isupper() and after.islower())):
            words.append(char)
        else:
            words[-1] += char
    return [word for word in words if word]


def _embedded_secrets(value: str) -> Iterator[str]:
    """Yield the passwords that a URL or a connection string holds."""
    authority = value.partition("://")[2]
    for end_of_authority in "/?#":
        authority = authority.partition(end_of_authority)[0]
    password = authority.rpartition("@")[0].partition(":")[2]
    yield password
    yield _unquote(password)
    end = value.find("=")
    while end >= 0:
        name = value[max(end - 100, 0) : end].rstrip(" ")
        start = len(name)
        while start > 0 and (name[start - 1].isalnum() or name[start - 1] in "_-"):
            start -= 1
        if is_secret_name(name[start:]):
            yield from _assigned(value[end + 1 :].lstrip(" "))
        end = value.find("=", end + 1)


def _assigned(text: str) -> Iterator[str]:
    """Yield the value at the start of a text that follows `name =`."""
    closing = {"'": "'", '"': '"', "{": "}"}.get(text[:1])
    if closing is not None:
        plain = ""
        index = 1
        while index < len(text) and text[index] != closing:
            index += text[index] == "\\"  # the next character is meant as it is
            plain += text[index : index + 1]
            index += 1
        yield text[1:index]
        yield plain
        return
    for end in " \t\r\n;&,":
        text = text.partition(end)[0]
    yield text
    yield _unquote(text)


def _unquote(text: str) -> str:
    """Return a text without the percent signs of URLs."""
    if "%" not in text:
        return text
    from urllib.parse import unquote

    return unquote(text)


def redact(text: str) -> str:
    """Return a text with every secret that it holds replaced by asterisks."""
    if not _forms:
        return text
    spans = sorted(span for form, alone in _forms.items() for span in _find(text, form, alone))
    if not spans:
        return text
    pieces = []
    shown = 0  # up to here the text is in the pieces, or hidden
    for start, end in spans:
        if start >= shown:
            pieces += [text[shown:start], MASK]
        shown = max(shown, end)
    return "".join((*pieces, text[shown:]))


def _find(text: str, form: str, alone: bool) -> Iterator[tuple[int, int]]:
    """Yield where a form of a secret is in a text."""
    start = text.find(form)
    while start >= 0:
        end = start + len(form)
        if alone and (_is_word(text[max(start - 1, 0) : start]) or _is_word(text[end : end + 1])):
            end = start + 1
        else:
            yield start, end
        start = text.find(form, end)


def _is_word(char: str) -> bool:
    """Return whether a character is part of a word."""
    return char.isalnum() or char == "_"


def safe_str(value: object) -> str:
    """Return str(value), or a substitute if that fails."""
    try:
        return str.__str__(str(value))
    except Exception as error:
        return f"<{type(value).__name__} without text: str() raised {type(error).__name__}>"


def clean(text: str) -> str:
    """Return a text fit for a message: no secrets, no NULs, no lone surrogates, not too long."""
    text = redact(text)
    if len(text) > LONGEST:
        dropped = len(text) - LONGEST
        head, tail = text[: LONGEST * 3 // 4], text[-LONGEST // 4 :]
        text = f"{head}\n... {dropped} characters left out ...\n{tail}"
    text = text.replace("\0", "\\x00")
    if not text.isascii():
        text = text.encode("utf-8", "backslashreplace").decode("utf-8")
    return text

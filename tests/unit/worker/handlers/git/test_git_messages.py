"""What git says when it fails, and what people are told."""

import pytest

from catalog.handlers.git import GitError, RefusedError
from catalog.handlers.origin import failure, lines_of, warnings

LOGIN = "fatal: could not read Username for 'https://example.org': terminal prompts disabled"


@pytest.mark.parametrize(
    ("message", "meaning"),
    [
        (
            LOGIN,
            (
                "the server demands a user and password that this service lacks;"
                " the operator can give them"
            ),
        ),
        (
            "fatal: Authentication failed for 'https://x.org/'",
            "the server demands a user and password",
        ),
        (
            "fatal: unable to access 'x': The requested URL returned error: 401",
            "the server demands a user",
        ),
        (
            "fatal: unable to access 'x': The requested URL returned error: 403",
            "the server refuses access",
        ),
        (
            "fatal: unable to access 'x': The requested URL returned error: 302",
            "the server redirects",
        ),
        (
            "Host key verification failed.",
            "the operator has given no key to recognise this ssh server by",
        ),
        (
            "git@x: Permission denied (publickey).",
            "the ssh server demands a key that this service lacks",
        ),
        ("error: invalid path '../x'", "the repository holds a path that cannot be checked out"),
        (
            "fatal: Out of memory, malloc failed (tried to allocate 9 bytes)",
            "takes more memory than a clone may use",
        ),
    ],
)
def test_what_another_attempt_would_meet_too_is_explained_and_final(
    message: str, meaning: str
) -> None:
    error = failure("clone", 128, message, authenticated=False)
    assert isinstance(error, RefusedError)
    assert str(error).startswith("git clone failed: ")
    assert meaning in str(error)
    assert str(error).endswith(message)


def test_with_credentials_it_is_those_that_are_not_taken() -> None:
    message = str(failure("clone", 128, LOGIN, authenticated=True))
    assert "a user and password other than the operator's" in message


@pytest.mark.parametrize(
    "message", ["fatal: early EOF", "fatal: Could not resolve host: x.org", ""]
)
def test_all_else_is_told_as_it_is_and_tried_again(message: str) -> None:
    error = failure("clone", 128, message, authenticated=False)
    assert type(error) is GitError
    assert str(error) == f"git clone failed: {message or 'exit code 128'}"


def test_only_the_last_words_are_told_without_credentials_and_without_control_characters() -> None:
    stderr = (
        "".join(f"hint: {number}\n" for number in range(100))
        + "fatal: https://anna:s3cret@x.org/\x1b[2J "
        + "y" * 900
    )
    message = str(failure("clone", 1, stderr, authenticated=False))
    assert message.startswith("git clone failed: hint: 93\n")
    assert "fatal: https://x.org/\ufffd[2J yyy" in message
    assert len(message) < 500


@pytest.mark.parametrize("end", ["\v", "\f", "\x1c", "\x85", "\u2028"])
def test_no_sign_in_a_server_s_words_makes_them_git_s_own(end: str) -> None:
    stderr = f"remote: a page{end}with a secret\nfatal: early EOF"
    message = str(failure("clone", 128, stderr, authenticated=False))
    assert message == "git clone failed: fatal: early EOF"


def test_warnings_are_told_apart() -> None:
    stderr = "Cloning into 'x'...\nwarning: redirecting to https://anna@x.org/\nremote: hello\n"
    assert warnings(stderr) == ["warning: redirecting to https://x.org/"]
    assert lines_of("") == []

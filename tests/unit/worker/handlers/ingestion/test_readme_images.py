"""The images of a README."""

import pytest

from catalog.handlers.readme_images import Image, find_images


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("![Shot](a.png)", [Image("a.png", "Shot")]),
        ("![](a.png)", [Image("a.png")]),
        ('![Shot](a.png "A title")', [Image("a.png", "Shot", "A title")]),
        ("![Shot]( a.png 'A title' )", [Image("a.png", "Shot", "A title")]),
        ("![Shot](a.png (A title))", [Image("a.png", "Shot", "A title")]),
        ("![Shot](<with space.png>)", [Image("with space.png", "Shot")]),
        ("![Shot](a_(1).png)", [Image("a_(1).png", "Shot")]),
        ("![Shot](a\\_b.png)", [Image("a_b.png", "Shot")]),
        ("![a [b] \\] c](a.png)", [Image("a.png", "a [b] ] c")]),
        ("![Tom &amp; Tim](a.png?x=1&amp;y=2)", [Image("a.png?x=1&y=2", "Tom & Tim")]),
        ("[![Badge](b.svg)](https://ci.example)", [Image("b.svg", "Badge")]),
        ("one ![1](1.png) two\n![2](2.png)", [Image("1.png", "1"), Image("2.png", "2")]),
        ("![Shot][ref]\n\n[REF]: a.png 'A title'", [Image("a.png", "Shot", "A title")]),
        ("![Shot][]\n\n[shot]: <a b.png>", [Image("a b.png", "Shot")]),
        ("![The  Shot]\n\n[the shot]: a.png\n[the shot]: b.png", [Image("a.png", "The  Shot")]),
        ("![Shot][none]\n![x]\n[y]: a.png", []),
        ('<img src="a.png">', [Image("a.png")]),
        (
            "<IMG\n  alt='a > b' width=600 SRC='a.png' height=\"40px\" />",
            [Image("a.png", "a > b", "", "600", "40px")],
        ),
        (
            "<img data-src='x.png' alt='y src=z.png' src=a.png title=t>",
            [Image("a.png", "y src=z.png", "t")],
        ),
        ("<img src=a.png src=b.png>", [Image("a.png")]),
        ("<img src='a.png?x&amp;y'>", [Image("a.png?x&y")]),
        ("<img src=''><img alt=x><imgx src=a.png><image src=b>", []),
        ("![2](2.png)<img src=3.png>\n![4][4]\n[4]: 4.png\n", [
            Image("2.png", "2"),
            Image("3.png"),
            Image("4.png", "4"),
        ]),
        ("```\n![no](a.png)\n```\n![yes](b.png)", [Image("b.png", "yes")]),
        ("~~~~ md\n![no](a.png)\n~~~\n```\n~~~~~\n![yes](b.png)", [Image("b.png", "yes")]),
        ("````\n```\n![no](a.png)\n", []),
        ("`![no](a.png)` and ``![no](`)`` ![yes](b.png)", [Image("b.png", "yes")]),
        ("<!-- ![no](a.png)\n -->![yes](b.png)<!-- ![no](c.png)", [Image("b.png", "yes")]),
        ("[no](a.png) !(b.png) ![no] (c.png) ![no](two words.png) !\\[no](d.png", []),
        ("", []),
    ],
)  # fmt: skip
def test_images_are_found_in_their_order(text: str, expected: list[Image]) -> None:
    assert find_images(text) == expected


PIECES = (
    "![",
    "![a",
    "![[",
    "![a](",
    "![](x",
    "![]((",
    "[![](",
    '![a](x "',
    "![a][",
    "![\\",
    "![a]( ",
    "![](<",
    "![[a]",
    "<img ",
    "<img src='",
    '<img a="',
    '<img ""',
    "<img a=b ",
    f"<img {'a' * 3_990}",
    "<!--",
    "`",
    "`a",
    "```\n",
    "`a``b```c",
    "``` a ``",
    "[a]:",
    '[a]: x "',
    "\n[a]: <",
    f"![]({'a' * 1_990}",
    f"![{'a' * 490}",
    "    ",
    "\\",
    "\n",
)


@pytest.mark.timeout(150)
@pytest.mark.parametrize("piece", PIECES)
def test_no_text_of_the_largest_size_takes_long(piece: str) -> None:
    assert find_images(piece * (1_048_576 // len(piece))) == []

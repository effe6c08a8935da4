"""Each word and number of a text is found, in any script and however it is written down."""

import unicodedata
from collections.abc import Mapping
from typing import Literal, get_args

import httpx2
import pytest
from hypothesis import given, seed, settings
from hypothesis import strategies as st

from tests.api.resources.test_search import PATH, findable, ids, search, word
from tests.conftest import SEED
from tests.resources import CLIP, create

# What is written, and by which queries it is found.
FOUND: Mapping[str, tuple[str, ...]] = {
    "夏のファッションコーデ": ("ファッション", "夏", "の", "デ", "コーデ", "ﾌｧｯｼｮﾝ", '"ファッション"', "夏 コーデ"),
    "春季连衣裙搭配指南": ("连衣裙", "裙", "搭配", "指南", '"连衣裙搭配"', "春季 指南", "连衣裙 -羽绒服"),
    "ชุดเดรสสีแดง": ("สีแดง", "เดรส", "ชุด", "แดง", '"ชุดเดรส"'),
    "ຊຸດກະໂປງສີແດງ": ("ສີແດງ", "ກະໂປງ"),
    "សម្លៀកបំពាក់ក្រហម": ("ក្រហម", "បំពាក់"),
    "အင်္ကျီအနီရောင်": ("အနီ", "ရောင်"),
    "서울한복촬영을": ("한복촬영", "한복", "촬영", "서울"),
    "Lalaの夏コーデ2026": ("夏コーデ", "Lala", "2026", "lalaの", "の", "コーデ2026", "コーデ20", "Lalaの夏コーデ2026"),
    "𠮷野家 コラボ": ("𠮷野家", "𠮷", "コラボ"),
    "look-001 velvet": ("001", "look 001", "look-001", "look-00", "look-0", "LOOK_001", "look001", '"look 001"'),
    "EP-104 teaser": ("EP 104", "EP-10", "EP-104", "104", "ep104", "EP-1", "teaser EP-104"),
    "IMG_4711.MOV raw": ("IMG_4711", "4711", "img", "mov", "IMG_4711.MOV", "img-4711", "IMG_47", "47"),
    "clip_0042.mov": ("clip_0042", "0042", "clip 0042", "clip_0042.mov", "clip_0042.m"),
    "ready-to-wear": ("ready-to", "ready to wear", "wear", "ready-to-wear", "ready-to-w", '"ready to wear"'),
    "EP105-final_v2": ("EP-105-final", "EP 105 final", "EP105", "105", "final_v2"),
    "IMG-4712 cut": ("IMG-4712", "4712", "img 4712"),
    "A001_C003_0512XY.mxf": ("A001", "C003", "0512XY", "0512", "xy", "mxf", "A001_C003", "A001_C0", "a 001"),
    "S01E04 Kapstadt": ("S01E04", "S01", "E04", "04", "s01e", "01"),
    "Firmware v2.1 beta": ("v2.1", "2.1", "beta v2"),
    "20260512 fitting": ("20260512", "2026", "202605", "20260512 fit"),
    "Call 15:30 sharp": ("15:30", "15", "30", "call 15"),
    "Needle 3.5mm gauge": ("3.5mm", "3.5", "mm", "needle 3.5"),
    "#look of the day": ("#look", "look day"),
    "by @lala herself": ("@lala", "lala"),
    "O'Neill surf": ("O'Neill", "neill", "o’neill", "O Neill"),
    "C++ for stylists": ("C++", "c++ stylists"),
    "AT&T commercial": ("AT&T", "at&t commercial"),
    "Write to e-mail@host.com": ("e-mail@host.com", "host.com", "host", "e-mail", "mail"),
    "https://shop.example.org/new-in?size=38&x=y#top": (
        "https://shop.example.org/new-in?size=38&x=y#top",
        "shop.example.org",
        "new-in",
        "38",
        "shop",
    ),
    "iPhone15Pro test": ("iPhone15Pro", "iphone", "iPhone15", "15", "pro", "iPhone 15 Pro", "iphone15p"),
    "1920x1080p25 master": ("1080p25", "1920", "1920x1080p25", "1920x10"),
    "Ёлка и ель": ("елка", "Ёлка", "ЕЛКА", "ель"),
    "ısı İstanbul": ("istanbul", "isi", "ISTANBUL", "İstanbul"),
    "Große Straße": ("strasse", "Straße", "STRASSE", "grosse"),
    "العَرَبِيَّةُ أزياء": ("العربية", "ازياء", "أزياء"),
    "שָׁלוֹם אופנה": ("שלום", "אופנה"),
    "Áo dài Việt Nam": ("ao dai", "viet", "Việt", "VIỆT NAM"),
    "साड़ी लाल": ("साड़ी", "लाल"),
    "μόδας Ἑλλάς": ("μοδας", "ελλασ", "ΕΛΛΑΣ"),
    "Ｆｕｌｌｗｉｄｔｈ ４２": ("fullwidth", "42", "Ｆｕｌｌ"),
    "ﬁnal Cut™ №7": ("final", "7", "cut"),
    "Look ٣٤": ("look 34", "34", "٣٤"),
    "soft\u00adhyphen zero\u200bwidth non\u00a0break": ("softhyphen", "zero", "width", "non", "break"),
    "👗dress-up👠": ("dress", "dress-up", "up", "👗 dress", "dress👠"),
    "snake_case_name__v03": ("snake", "case", "name", "v03", "03", "snake_case"),
    "C:\\Media\\Day1\\take~2.wav": ("media", "day1", "take", "Day 1", "wav"),
    "a/b/c-0815/4711b": ("0815", "4711b", "4711"),
}
TAG = word()  # what other tests wrote does not stand before these
CASES = [(title, query) for title, queries in FOUND.items() for query in queries]


@pytest.fixture(scope="module")
def found(editor: httpx2.Client) -> Mapping[str, str]:
    """A clip of each title, in their order, found by now."""
    made = {title: str(create(editor, CLIP, title=title, tags=[TAG])["clip_id"]) for title in FOUND}
    last = word()
    findable(editor, create(editor, CLIP, title=last)["clip_id"], last)
    return made


@pytest.mark.parametrize(("title", "query"), CASES, ids=[f"{title}: {query}" for title, query in CASES])
def test_each_word_and_number_is_found(editor: httpx2.Client, found: Mapping[str, str], title: str, query: str) -> None:
    for form in ("NFC", "NFD"):
        assert found[title] in ids(editor, unicodedata.normalize(form, query), tag=TAG, limit=100), form


@pytest.mark.parametrize(
    ("title", "query"),
    [
        ("夏のファッションコーデ", "コーデの"),
        ("夏のファッションコーデ", "冬"),
        ("夏のファッションコーデ", "ファッション -夏"),
        ("春季连衣裙搭配指南", '"连裙"'),
        ("春季连衣裙搭配指南", '"衣连"'),
        ("春季连衣裙搭配指南", "指南 -连衣裙"),
        ("ชุดเดรสสีแดง", "สีดำ"),
        ("look-001 velvet", '"001 look"'),
        ("look-001 velvet", "look-002"),
        ("look-001 velvet", "velvet -look-001"),
        ("IMG_4711.MOV raw", "IMG_4712"),
        ("S01E04 Kapstadt", "S01E05"),
        ("EP-104 teaser", "EP-104-final"),
        ("EP-104 teaser", "EP104-final"),
    ],
)
def test_what_is_not_there_does_not_find_it(
    editor: httpx2.Client, found: Mapping[str, str], title: str, query: str
) -> None:
    assert found[title] not in ids(editor, query, limit=100)


WORDLESS = ["👗", "!!!", "&", "-", "…", "-👗", '"!"', "\u200b", "️", "👩🏽‍🎤 / 👠", "(((", "😀 or 😀"]


@pytest.mark.parametrize("query", WORDLESS)
def test_a_query_without_a_word_finds_nothing_with_a_filter_and_without(editor: httpx2.Client, query: str) -> None:
    create(editor, CLIP, title="👗", tags=["wordless"])
    for filters in ({}, {"type": "clip"}, {"tag": "wordless"}):
        body = search(editor, query, **filters)
        assert (body["data"], body["metadata"]["pagination"]["total"]) == ([], 0)
        assert body["metadata"]["facets"] == {"type": {}, "tag": {}}


def test_without_a_query_a_filter_is_browsed_and_without_either_nothing_is_found(editor: httpx2.Client) -> None:
    tag = word()
    clip = create(editor, CLIP, title=f"Plain {tag}", tags=[tag])["clip_id"]
    findable(editor, clip, tag)
    for query in ("", "  ", "\t"):
        assert ids(editor, query, tag=tag) == [clip]
        assert search(editor, query)["metadata"]["pagination"]["total"] == 0
    assert [hit["entity_id"] for hit in editor.get(PATH, params={"tag": tag}).json()["data"]] == [clip]
    assert editor.get(PATH).json()["data"] == []


def test_a_query_may_be_typed_letter_by_letter_and_finds_it_all_the_way(
    editor: httpx2.Client, found: Mapping[str, str]
) -> None:
    for title in (
        "IMG_4711.MOV raw",
        "A001_C003_0512XY.mxf",
        "20260512 fitting",
        "Lalaの夏コーデ2026",
        "EP-104 teaser",
    ):
        for length in range(3, len(title) + 1):
            assert found[title] in ids(editor, title[:length].rstrip(), limit=100), title[:length]


def test_a_snippet_of_a_text_without_spaces_marks_what_was_asked_for(editor: httpx2.Client) -> None:
    mark = word()
    text = f"今年の夏は涼しい素材のファッションが人気です。IMG_4711.MOV {mark} を見てください。"
    clip = create(editor, CLIP, title=mark, description=text)["clip_id"]
    findable(editor, clip, mark)
    (hit,) = search(editor, f"{mark} ファッション")["data"]
    assert "素材の<mark>ファッション</mark>が人気" in hit["snippet"]
    (hit,) = search(editor, f"{mark} IMG_4711")["data"]
    assert "<mark>IMG</mark>_<mark>4711</mark>.MOV" in hit["snippet"]
    assert "\x1f" not in hit["snippet"]


# Letters of which words are made: some that fold, some that combine, some that stand without spaces.
SCRIPTS = {
    "latin": "abcdefghijklmnopqrstuvwxyzäöüßéèçñåøłžșİıỹ",
    "cyrillic": "абвгдеёжзийклмнопрстуфхцчшщыэюяіїєґ",
    "greek": "αβγδεζηθικλμνξοπρστυφχψωάέήίόύώϊ",
    "arabic": "ابتثجحخدذرزسشصضطظعغفقكلمنهويأإآةى",
    "hebrew": "אבגדהוזחטיכלמנסעפצקרשתםןץףך",
    "devanagari": "कखगघचछजझटठडढणतथदधनपफबभमयरलवशषसह",
    "georgian": "აბგდევზთიკლმნოპჟრსტუფქღყშჩცძწჭხჯჰ",
    "armenian": "աբգդեզէըթժիլխծկհձղճմյնշոչպջռսվտրցւփքօֆ",
    "thai": "กขคงจชซญดตถทธนบปผพฟมยรลวศสหอะาเแโใไ",
    "han": "春夏秋冬衣裙鞋帽包红黄蓝绿黑白大小长短新旧男女",
    "kana": "あいうえおかきくけこがぎぐげごさしすせそパピプペポァィゥェォンッー",
    "hangul": "가나다라마바사아자차카타파하한글복촬영서울강남",
    "digits": "0123456789",
}
WORDS = st.sampled_from(list(SCRIPTS)).flatmap(lambda name: st.text(SCRIPTS[name], min_size=2, max_size=9))
BETWEEN = st.sampled_from(
    [" ", "-", "_", ".", "/", ", ", " – ", "・", "@", "#", ":", "'", "&", "+", "（", "\u3000", "👗"]
)
TITLES = st.lists(st.tuples(WORDS, BETWEEN), min_size=1, max_size=5)
Form = Literal["NFC", "NFD", "NFKD"]
FORMS: st.SearchStrategy[Form] = st.sampled_from(get_args(Form))


@st.composite
def titled(draw: st.DrawFn) -> tuple[str, list[str]]:
    """A title, and its words as somebody types them."""
    parts = draw(TITLES)
    title = unicodedata.normalize(draw(FORMS), "".join(text for pair in parts for text in pair))
    shout = draw(st.booleans())
    return title, [unicodedata.normalize(draw(FORMS), text.upper() if shout else text) for text, _ in parts]


def test_whatever_a_title_is_made_of_it_is_found_by_each_of_its_words(editor: httpx2.Client) -> None:
    drawn: list[tuple[str, list[str]]] = []

    @seed(SEED)
    @settings(max_examples=60, database=None, deadline=None)
    @given(titled())
    def draw(example: tuple[str, list[str]]) -> None:
        drawn.append(example)

    draw()
    mark = word()
    made = [create(editor, CLIP, title=f"{mark} {title}")["clip_id"] for title, _ in drawn]
    findable(editor, made[-1], mark)
    for key, (title, words) in zip(made, drawn, strict=True):
        for asked in words:
            assert key in ids(editor, f"{mark} {asked}", limit=100), (title, asked)

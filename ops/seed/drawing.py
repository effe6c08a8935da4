"""Sample pictures and clips drawn in code: studio looks, flat lays, draped cloth. Nobody's face, nobody's copyright.

The same seed draws the same pictures and the same moving scenes.
"""

import math
import struct
import wave
from collections.abc import Callable, Collection, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Final, cast

import av
from av.video.reformatter import Colorspace
from PIL import Image, ImageChops, ImageDraw, ImageFilter

Size = tuple[int, int]
Colour = tuple[int, int, int]
Palette = tuple[Colour, ...]

# Backdrop, shade, main cloth, second cloth, accent.
PALETTES: Final[tuple[Palette, ...]] = (
    ((233, 222, 207), (196, 178, 155), (142, 62, 48), (74, 54, 46), (212, 163, 76)),
    ((214, 222, 224), (150, 166, 173), (36, 58, 84), (222, 212, 196), (190, 92, 72)),
    ((240, 217, 214), (205, 160, 158), (122, 40, 66), (246, 240, 232), (60, 72, 62)),
    ((206, 212, 192), (150, 160, 130), (84, 96, 58), (228, 214, 184), (170, 110, 60)),
    ((58, 56, 62), (24, 24, 28), (176, 160, 142), (112, 28, 40), (222, 196, 128)),
    ((225, 225, 235), (170, 168, 196), (98, 84, 140), (238, 204, 120), (40, 40, 56)),
    ((250, 236, 212), (236, 190, 140), (226, 110, 68), (44, 110, 116), (250, 250, 244)),
)
SIZES: Final[tuple[Size, ...]] = ((1440, 960), (960, 1440), (1200, 1200), (1152, 1440), (1800, 1200), (1280, 853))
SUFFIXES: Final = (".jpg",) * 9 + (".png", ".webp", ".avif")
FRAME_RATE: Final = 24  # frames per second
SAMPLE_RATE: Final = 16_000  # samples per second
TUNE: Final = (
    440.0,
    554.4,
    659.3,
    554.4,
    493.9,
    587.3,
    740.0,
    587.3,
    415.3,
    493.9,
    659.3,
    493.9,
    440.0,
    554.4,
    659.3,
    880.0,
)


def pictures(folder: Path, numbers: Collection[int], seed: int) -> dict[int, Path]:
    """Draw numbered pictures of 1–3 megapixels into ``folder``: JPEG mostly, some PNG, WebP and AVIF."""
    folder.mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor() as threads:  # Pillow lets go of the interpreter's lock while it works
        return dict(zip(numbers, threads.map(partial(_save_picture, folder, seed), numbers), strict=True))


def videos(folder: Path, numbers: Collection[int], seed: int) -> dict[int, Path]:
    """Draw numbered clips of 2–4 seconds into ``folder``: H.264 in MP4 and MOV, now and then VP9 in WebM."""
    folder.mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor() as threads:
        return dict(zip(numbers, threads.map(partial(_save_video, folder, seed), numbers), strict=True))


def jingle(path: Path) -> Path:
    """Play four bars into a WAV file: one soft note a beat, three seconds in all."""
    with wave.open(str(path), "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(SAMPLE_RATE)
        sound.writeframes(b"".join(map(_note, TUNE)))
    return path


def _note(pitch: float) -> bytes:
    """A sixteenth of the tune: ``pitch`` in hertz, struck and fading."""
    length = SAMPLE_RATE * 3 // len(TUNE)
    angles = (math.tau * pitch * at / SAMPLE_RATE for at in range(length))
    loud = (9000 * math.sin(angle) * math.exp(-4 * at / length) for at, angle in enumerate(angles))
    return struct.pack(f"<{length}h", *map(round, loud))


def picture(rng: Random, size: Size) -> Image.Image:
    """Draw one picture of ``size`` pixels."""
    palette = rng.choice(PALETTES)
    scene = rng.choice((_studio, _flat_lay, _drape))
    draft = max(1, round(max(size) / 800))
    small = (max(1, size[0] // draft), max(1, size[1] // draft))
    # Soft things are drawn small and enlarged; weave and grain are added at full size, as a lens would give them.
    return _grain(rng, _weave(rng, scene(rng, palette, small).resize(size, Image.Resampling.BICUBIC)))


def _save_picture(folder: Path, seed: int, number: int) -> Path:
    rng = Random(f"{seed} picture {number}")  # noqa: S311 - drawing, not secrets
    suffix = SUFFIXES[number % len(SUFFIXES)]
    path = folder / f"look-{number + 1:03}{suffix}"
    image = picture(rng, SIZES[number % len(SIZES)])
    _WRITERS[suffix](rng, image, path)
    return path


def _save_jpeg(rng: Random, image: Image.Image, path: Path) -> None:
    exif = Image.Exif()
    if rng.randrange(4) == 0:  # held sideways, as phones store it
        exif[0x0112] = 6
        image = image.transpose(Image.Transpose.ROTATE_90)
    image.save(path, quality=rng.randint(84, 93), exif=exif)


_WRITERS: Final[dict[str, Callable[[Random, Image.Image, Path], None]]] = {
    ".jpg": _save_jpeg,
    ".png": lambda _, image, path: image.save(path, compress_level=1),
    ".webp": lambda _, image, path: image.save(path, quality=86, method=1),
    ".avif": lambda _, image, path: image.save(path, quality=72, speed=10),
}


def _studio(rng: Random, palette: Palette, size: Size) -> Image.Image:
    image = _backdrop(rng, palette, size)
    width, height = size
    centre = width * rng.uniform(0.42, 0.58)
    _floor_shadow(image, centre)
    _figure(ImageDraw.Draw(image), rng, palette, centre, height)
    return image.filter(ImageFilter.GaussianBlur(0.6))


def _backdrop(rng: Random, palette: Palette, size: Size) -> Image.Image:
    corners = bytes(rng.randint(0, 255) for _ in range(4))
    slope = Image.frombytes("L", (2, 2), corners).resize(size, Image.Resampling.BICUBIC)
    image = Image.composite(_plain(palette[1], size), _plain(palette[0], size), slope)
    left, top = rng.randint(0, 128), rng.randint(64, 128)
    light = ImageChops.invert(Image.radial_gradient("L")).point(lambda value: value * 0.35)
    spot = light.resize(size, Image.Resampling.BICUBIC, box=(left, top, left + 128, top + 128))
    return Image.composite(_plain((255, 252, 244), size), image, spot)


def _plain(colour: Colour, size: Size) -> Image.Image:
    return Image.new("RGB", size, colour)


def _floor_shadow(image: Image.Image, centre: float) -> None:
    width, height = image.size
    mask = Image.new("L", image.size)
    reach = height * 0.24
    ImageDraw.Draw(mask).ellipse((centre - reach, height * 0.9, centre + reach * 1.3, height * 0.97), fill=110)
    image.paste((30, 26, 24), mask=mask.filter(ImageFilter.GaussianBlur(width / 60)))


def _figure(draw: ImageDraw.ImageDraw, rng: Random, palette: Palette, centre: float, height: int) -> None:
    unit = height / 8.2  # a fashion figure is about eight heads tall
    skin = rng.choice(((236, 200, 176), (198, 150, 120), (142, 98, 72), (92, 62, 48)))
    _legs(draw, skin, palette[4], centre, unit)
    _head(draw, rng, skin, centre, unit)
    _cloth(draw, rng, palette[3], (centre, unit * 1.75, unit * 3.7), (unit * 0.8, unit * 0.5))
    _cloth(draw, rng, palette[2], (centre, unit * 3.6, unit * rng.uniform(5.4, 7.0)), (unit * 0.52, unit * 1.3))
    draw.rectangle((centre - unit * 0.53, unit * 3.52, centre + unit * 0.53, unit * 3.74), fill=palette[4])


def _legs(draw: ImageDraw.ImageDraw, skin: Colour, shoe: Colour, centre: float, unit: float) -> None:
    for side in (-0.32, 0.32):
        x = centre + side * unit
        draw.rectangle((x - unit * 0.17, unit * 5, x + unit * 0.17, unit * 7.55), fill=skin)
        draw.polygon(
            [(x - unit * 0.2, unit * 7.4), (x + unit * 0.2, unit * 7.4), (x + unit * 0.42, unit * 7.75),
             (x - unit * 0.2, unit * 7.75)], fill=shoe)  # fmt: skip


def _head(draw: ImageDraw.ImageDraw, rng: Random, skin: Colour, centre: float, unit: float) -> None:
    hair = rng.choice(((40, 28, 24), (110, 72, 44), (196, 160, 104), (70, 20, 24)))
    draw.ellipse((centre - unit * 0.48, unit * 0.42, centre + unit * 0.48, unit * 1.5), fill=hair)
    draw.rectangle((centre - unit * 0.15, unit * 1.2, centre + unit * 0.15, unit * 1.9), fill=skin)
    draw.ellipse((centre - unit * 0.33, unit * 0.58, centre + unit * 0.33, unit * 1.46), fill=skin)


def _cloth(
    draw: ImageDraw.ImageDraw,
    rng: Random,
    colour: Colour,
    span: tuple[float, float, float],
    widths: tuple[float, float],
) -> None:
    """Folds from a top edge to a hem: narrow slats, lighter where the cloth comes forward."""
    centre, top, hem = span
    slats, folds, phase = 48, rng.randint(3, 7), rng.uniform(0, math.tau)
    edges = [slat / slats * 2 - 1 for slat in range(slats + 1)]
    for left, right in pairwise(edges):
        sway = math.sin((left + 1) * folds * math.pi / 2 * 2 + phase)
        drop = hem + sway * widths[1] * 0.06
        corners = [(centre + left * widths[0], top), (centre + right * widths[0] + 1, top),
                   (centre + right * widths[1] + 1, drop), (centre + left * widths[1], drop)]  # fmt: skip
        draw.polygon(corners, fill=_shade(colour, 1 + 0.22 * sway - 0.3 * left * left))


def _shade(colour: Colour, factor: float) -> Colour:
    red, green, blue = (max(0, min(255, round(value * factor))) for value in colour)
    return red, green, blue


def _flat_lay(rng: Random, palette: Palette, size: Size) -> Image.Image:
    image = _backdrop(rng, palette, size)
    pieces = [_shirt, _bag, _shoe_pair, _scarf]
    rng.shuffle(pieces)
    for index, piece in enumerate(pieces):
        place = (size[0] * (0.28 + 0.44 * (index % 2)), size[1] * (0.28 + 0.44 * (index // 2)))
        _lay(image, rng, partial(piece, palette=palette), place, min(size) * 0.19)
    return image


def _lay(image: Image.Image, rng: Random, piece: Callable[..., None], place: tuple[float, float], reach: float) -> None:
    """Put a piece down, a little turned, with the shadow it throws."""
    side = round(reach * 3)
    layer = Image.new("RGBA", (side, side))
    piece(ImageDraw.Draw(layer), side / 2, reach, rng=rng)
    layer = layer.rotate(rng.uniform(-18, 18), Image.Resampling.BICUBIC)
    shadow = layer.getchannel("A").point(lambda value: value * 0.4).filter(ImageFilter.GaussianBlur(reach / 14))
    corner = round(place[0] - side / 2), round(place[1] - side / 2)
    image.paste((40, 32, 28), (corner[0] + round(reach / 16), corner[1] + round(reach / 12)), shadow)
    image.paste(layer, corner, layer)


def _shirt(draw: ImageDraw.ImageDraw, middle: float, reach: float, *, palette: Palette, rng: Random) -> None:
    _cloth(draw, rng, palette[2], (middle, middle - reach, middle + reach), (reach * 0.7, reach * 0.75))
    for side in (-1, 1):
        draw.polygon(
            [(middle + side * reach * 0.6, middle - reach), (middle + side * reach * 1.2, middle - reach * 0.1),
             (middle + side * reach * 0.85, middle + reach * 0.1), (middle + side * reach * 0.5, middle - reach * 0.4)],
            fill=_shade(palette[2], 0.85))  # fmt: skip
    for button in range(5):
        y = middle - reach * 0.7 + button * reach * 0.36
        draw.ellipse((middle - reach * 0.04, y, middle + reach * 0.04, y + reach * 0.08), fill=palette[4])


def _bag(draw: ImageDraw.ImageDraw, middle: float, reach: float, *, palette: Palette, rng: Random) -> None:
    width = max(2, round(reach * 0.08))
    draw.arc((middle - reach * 0.5, middle - reach, middle + reach * 0.5, middle + reach * 0.4), 180, 360,
             palette[3], width)  # fmt: skip
    body = (middle - reach * 0.8, middle - reach * 0.3, middle + reach * 0.8, middle + reach * 0.8)
    draw.rounded_rectangle(body, reach * rng.uniform(0.1, 0.3), fill=palette[3])
    flap = (body[0], body[1], body[2], middle + reach * 0.25)
    draw.rounded_rectangle(flap, reach * 0.15, fill=_shade(palette[3], 1.15), outline=palette[4], width=width // 2)


def _shoe_pair(draw: ImageDraw.ImageDraw, middle: float, reach: float, *, palette: Palette, rng: Random) -> None:
    shade = rng.uniform(0.9, 1.1)
    for side in (-0.45, 0.45):
        x = middle + side * reach
        draw.ellipse((x - reach * 0.3, middle - reach * 0.9, x + reach * 0.3, middle + reach * 0.9),
                     fill=_shade(palette[4], shade))  # fmt: skip
        draw.ellipse((x - reach * 0.2, middle - reach * 0.1, x + reach * 0.2, middle + reach * 0.75), fill=palette[1])


def _scarf(draw: ImageDraw.ImageDraw, middle: float, reach: float, *, palette: Palette, rng: Random) -> None:
    _cloth(
        draw,
        rng,
        palette[rng.choice((2, 3))],
        (middle, middle - reach * 1.1, middle + reach),
        (reach * 0.35, reach * 0.5),
    )
    for stripe in range(3):
        y = middle + reach * (0.4 + stripe * 0.16)
        draw.line((middle - reach * 0.46, y, middle + reach * 0.46, y), palette[4], max(1, round(reach * 0.05)))


def _drape(rng: Random, palette: Palette, size: Size) -> Image.Image:
    """Cloth filling the picture: one wave of light and shade, bent by another."""
    light = _folds(rng).rotate(rng.uniform(-40, 40), Image.Resampling.BICUBIC)
    light = light.resize(size, Image.Resampling.BICUBIC, box=(90, 90, 270, 270))
    colour, dark = palette[rng.choice((2, 3))], _shade(palette[2], 0.25)
    image = Image.composite(_plain(_shade(colour, 1.25), size), _plain(dark, size), light)
    _pins(image, rng, palette[4])
    return image


def _folds(rng: Random) -> Image.Image:
    """A square of 360 pixels of folds running down; its corners are lost when it is turned."""
    count, bend, phase = rng.randint(7, 13), rng.uniform(0.6, 2.2), rng.uniform(0, math.tau)
    rows: list[int] = []
    for y in range(90):
        lean = math.sin(y / 90 * math.pi * 3 + phase) * bend
        rows += [round(135 + 110 * math.sin(x / 90 * math.tau * count / 2 + lean)) for x in range(90)]
    return Image.frombytes("L", (90, 90), bytes(rows)).resize((360, 360), Image.Resampling.BICUBIC)


def _pins(image: Image.Image, rng: Random, colour: Colour) -> None:
    draw, reach = ImageDraw.Draw(image), min(image.size) / 40
    for _ in range(rng.randint(3, 9)):
        x, y = rng.uniform(0.1, 0.9) * image.width, rng.uniform(0.1, 0.9) * image.height
        draw.ellipse((x - reach, y - reach, x + reach, y + reach), fill=colour, outline=_shade(colour, 0.5))
        draw.ellipse((x - reach / 2, y - reach / 2, x, y), fill=(255, 255, 250))


def _weave(rng: Random, image: Image.Image) -> Image.Image:
    thread = Image.new("L", (8, 8), 128)
    draw, depth = ImageDraw.Draw(thread), rng.randint(3, 9)
    draw.line((0, 7, 7, 0), 128 + depth, 2)
    draw.line((0, 0, 7, 7), 128 - depth, 1)
    return _overlay(image, thread)


def _grain(rng: Random, image: Image.Image) -> Image.Image:
    strength = rng.uniform(0.04, 0.1)
    speckle = Image.frombytes("L", (256, 256), rng.randbytes(65536))
    return _overlay(image, speckle.point(lambda value: 128 + (value - 128) * strength))


def _overlay(image: Image.Image, tile: Image.Image) -> Image.Image:
    """Add a tile, repeated, whose 128 means no change."""
    sheet = Image.new("L", image.size)
    sheet.paste(tile)
    width, height = tile.size
    while width < image.width:
        sheet.paste(sheet.crop((0, 0, width, height)), (width, 0))
        width *= 2
    while height < image.height:
        sheet.paste(sheet.crop((0, 0, image.width, height)), (0, height))
        height *= 2
    return ImageChops.add(image, Image.merge("RGB", (sheet,) * 3), 1, -128)


def _save_video(folder: Path, seed: int, number: int) -> Path:
    rng = Random(f"{seed} video {number}")  # noqa: S311 - drawing, not secrets
    suffix = (".mp4", ".mov", ".mp4", ".webm")[number % 4]
    path = folder / f"clip-{number + 1:02}{suffix}"
    size = rng.choice(((640, 360), (960, 540), (1280, 720), (540, 960)))
    lead = FRAME_RATE // 2 if number % 2 else 0
    encode(path, size, _scene(rng, size, lead=lead, count=rng.randint(2, 4) * FRAME_RATE))
    return path


def encode(path: Path, size: Size, frames: Iterable[Image.Image]) -> None:
    """Write RGB frames as H.264, or as VP9 when the file is a WebM."""
    with av.open(path, "w") as container:
        codec, options = _CODECS.get(path.suffix, ("libx264", {"preset": "superfast", "crf": "24"}))
        stream = cast("av.VideoStream", container.add_stream(codec, FRAME_RATE, options=options))
        stream.width, stream.height = size
        stream.pix_fmt, stream.colorspace = "yuv420p", Colorspace.ITU709
        for image in frames:
            frame = av.VideoFrame.from_bytes(image.convert("RGBA").tobytes(), *size)
            container.mux(stream.encode(frame.reformat(format="yuv420p", dst_colorspace=Colorspace.ITU709)))
        container.mux(stream.encode(None))


_CODECS: Final = {".webm": ("libvpx-vp9", {"deadline": "realtime", "cpu-used": "8", "crf": "36", "b": "0"})}


def _scene(rng: Random, size: Size, *, lead: int, count: int) -> Iterator[Image.Image]:
    """A figure crossing a studio after ``lead`` black frames."""
    palette = rng.choice(PALETTES)
    backdrop = _grain(rng, _weave(rng, _backdrop(rng, palette, size)))
    figure = _cut_out(rng, palette, size[1])
    yield from (Image.new("RGB", size) for _ in range(lead))
    for number in range(count - lead):
        frame = backdrop.copy()
        x = size[0] * (0.3 + 0.4 * number / count) - figure.width / 2
        frame.paste(figure, (round(x), round(math.sin(number / 4) * size[1] * 0.01)), figure)
        yield frame


def _cut_out(rng: Random, palette: Palette, height: int) -> Image.Image:
    figure = Image.new("RGBA", (round(height * 0.6), height))
    _figure(ImageDraw.Draw(figure), rng, palette, figure.width / 2, height)
    return figure

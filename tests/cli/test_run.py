"""``zoo run``: names, folders, pipes, exit codes, nothing half-written."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from zoo.cli import main
from zoo.formats import formats
from zoo.images import Image, Metadata, decode, encode, read, write
from zoo.images.png import PNG
from zoo.run.inputs import find_inputs
from zoo.run.jobs import make_jobs

LABELS = ", ".join(sorted(item.label for item in formats().values()))
NEAREST = "[net]\n[upsample]\nstride=2\n"
NEEDS_WEIGHTS = "[net]\n[convolutional]\nfilters=3\nsize=3\npad=1\nactivation=linear\n"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty folder to be in, with a cfg that doubles pictures."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ZOO_BACKEND", "numpy")
    (tmp_path / "x2.cfg").write_text(NEAREST)
    return tmp_path


def picture(height=4, width=6, dtype="uint8", channels=3, alpha=False):
    rng = np.random.default_rng(0)
    white = 1 if dtype == "float32" else np.iinfo(dtype).max
    pixels = (rng.random((height, width, channels)) * white).astype(dtype)
    return Image(pixels, pixels[..., 0].copy() if alpha else None)


def run(*arguments):
    return main(["run", *map(str, arguments)])


def files(folder):
    """All files below a folder, hidden ones too."""
    return sorted(
        str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()
    )


def process(*arguments, **options):
    return subprocess.run(
        [sys.executable, "-m", "zoo", "run", *map(str, arguments)],
        capture_output=True,
        timeout=120,
        check=False,
        **options,
    )


# -- one picture ------------------------------------------------------------------


def test_default_name_lies_beside_the_picture(folder, capsys):
    (folder / "in").mkdir()
    write("in/photo.png", picture())
    assert run("x2.cfg", "in/photo.png") == 0
    result = read("in/photo_x2.png")
    np.testing.assert_array_equal(
        result.pixels, picture().pixels.repeat(2, 0).repeat(2, 1)
    )
    assert files(folder) == ["in/photo.png", "in/photo_x2.png", "x2.cfg"]
    captured = capsys.readouterr()
    assert captured.out == "in/photo_x2.png\n"
    assert captured.err == ""


@pytest.mark.parametrize(
    ("name", "image"),
    [
        ("a.png", picture(dtype="uint16", alpha=True)),
        ("a.png", picture(channels=1, alpha=True)),
        ("a.PNG", picture(channels=1)),
        ("a.tif", picture(dtype="float32")),
        ("a.tiff", picture(dtype="uint16", channels=1)),
        ("a.bmp", picture()),
        ("a.webp", picture()),
        ("a.jpeg", picture()),
        ("a.png", picture(1, 1)),
    ],
)
def test_what_comes_in_decides_what_goes_out(folder, name, image):
    write(name, image)
    assert run("x2.cfg", name) == 0
    stem, suffix = os.path.splitext(name)
    result = read(f"{stem}_x2{suffix}")
    given = read(name)
    assert result.format == given.format
    assert result.dtype == image.dtype
    assert result.is_gray == given.is_gray
    assert (result.alpha is None) == (image.alpha is None)
    assert (result.height, result.width) == (2 * image.height, 2 * image.width)


def test_metadata_is_carried(folder):
    meta = Metadata(xmp=b"<x/>", dpi=(300, 300))
    write("a.png", Image(picture().pixels, metadata=meta))
    assert run("x2.cfg", "a.png", "-o", "out.tif") == 0
    found = read("out.tif").metadata
    assert found.xmp == b"<x/>"
    assert found.dpi == pytest.approx((600, 600), rel=1e-3)


@pytest.mark.parametrize("format", ["png", "jpg", "webp", "tiff", "bmp"])
def test_format_is_chosen_by_flag_or_ending(folder, format):
    write("a.png", picture())
    assert run("x2.cfg", "a.png", "-f", format) == 0
    made = next(path for path in folder.glob("a_x2.*"))
    assert read(made).format == format
    assert run("x2.cfg", "a.png", "-o", f"b.{format}") == 0
    assert read(f"b.{format}").format == format


def test_ensemble_flag(folder):
    write("a.png", picture())
    assert run("x2.cfg", "a.png", "-x", "-o", "x.png") == 0
    assert run("x2.cfg", "a.png", "-o", "plain.png") == 0
    np.testing.assert_array_equal(read("x.png").pixels, read("plain.png").pixels)


def test_quality(folder):
    write("a.png", picture(50, 50))
    for quality in (10, 90):
        assert run("x2.cfg", "a.png", "-o", f"{quality}.jpg", "--quality", quality) == 0
    assert Path("10.jpg").stat().st_size < Path("90.jpg").stat().st_size


def test_another_format_where_the_own_one_cannot_hold_it(folder, capsys):
    Path("a.jpg").write_bytes(encode(picture(alpha=True), "png"))  # misnamed
    assert run("x2.cfg", "a.jpg") == 0
    assert read("a_x2.png").alpha is not None
    assert "jpg cannot hold transparency; png is written" in capsys.readouterr().err
    Path("b.png").write_bytes(encode(picture(dtype="float32"), "tiff"))
    assert run("x2.cfg", "b.png") == 0
    assert read("b_x2.tiff").dtype == np.float32
    Path("c.webp").write_bytes(encode(picture(1, 9000), "webp"))
    assert run("x2.cfg", "c.webp") == 0
    assert read("c_x2.png").width == 18000
    # Never over what is there, nor when the format was asked for.
    assert run("x2.cfg", "a.jpg") == 1
    assert "a_x2.png is taken" in capsys.readouterr().err
    assert run("x2.cfg", "a.jpg", "-f", "jpg") == 1
    assert "choose png or tiff" in capsys.readouterr().err


# -- many pictures -----------------------------------------------------------------


def make_tree(folder):
    for name in ("t/a.png", "t/sub/b.jpg", "t/sub/deep/c.tif", "t/.hidden/d.png"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        write(folder / name, picture())
    (folder / "t/.e.png").write_bytes(b"")
    (folder / "t/notes.txt").write_text("no picture")


def test_a_tree_is_mirrored(folder):
    make_tree(folder)
    assert run("x2.cfg", "t", "-o", "out") == 0
    assert files(folder / "out") == ["a.png", "sub/b.jpg", "sub/deep/c.tif"]
    assert read("out/sub/deep/c.tif").width == 12


def test_an_output_inside_the_tree_is_not_read_again(folder, capsys):
    make_tree(folder)
    assert run("x2.cfg", "t", "-o", "t/out") == 0
    assert run("x2.cfg", "t", "-o", "t/out", "--force") == 0
    assert files(folder / "t/out") == ["a.png", "sub/b.jpg", "sub/deep/c.tif"]


def test_it_goes_on_after_a_bad_picture(folder, capsys):
    make_tree(folder)
    (folder / "t/a.png").write_bytes(b"")
    (folder / "t/b.png").write_text("text")
    write("t/z.png", picture())
    assert run("x2.cfg", "t", "-o", "out") == 1
    assert files(folder / "out") == ["sub/b.jpg", "sub/deep/c.tif", "z.png"]
    assert capsys.readouterr().err.splitlines() == [
        "zoo: t/a.png is empty",
        f"zoo: t/b.png is of no format that zoo reads ({LABELS})",
        "zoo: 3 of 5 done; 2 failed; left out: 1 file of other endings (.txt), 2 hidden",
    ]


def test_a_missing_file_among_others(folder, capsys):
    write("a.png", picture())
    assert run("x2.cfg", "none.png", "a.png") == 1
    assert "none.png does not exist" in capsys.readouterr().err
    assert Path("a_x2.png").exists()


def test_existing_files(folder, capsys):
    write("a.png", picture())
    write("b.png", picture())
    Path("out").mkdir()
    write("out/a.png", picture(1, 1))
    assert run("x2.cfg", "a.png", "b.png", "-o", "out") == 2
    assert "out/a.png exists already" in capsys.readouterr().err
    assert files(folder / "out") == ["a.png"]
    assert run("x2.cfg", "a.png", "b.png", "-o", "out", "--skip-existing") == 0
    assert (read("out/a.png").width, read("out/b.png").width) == (1, 12)
    assert run("x2.cfg", "a.png", "b.png", "-o", "out", "--force") == 0
    assert read("out/a.png").width == 12


def test_one_stem_with_two_endings(folder):
    for name in ("a.png", "a.bmp", "b.bmp"):
        Path("t").mkdir(exist_ok=True)
        write(f"t/{name}", picture())
    assert run("x2.cfg", "t", "-o", "out", "-f", "png") == 0
    assert files(folder / "out") == ["a.bmp.png", "a.png.png", "b.png"]
    write("a.png", picture())
    write("a.bmp", picture())
    assert run("x2.cfg", "a.png", "a.bmp", "-f", "png") == 2
    assert not list(folder.glob("a_x2*"))


# -- wrong calls ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["none.png"], "there is no picture none.png"),
        (["empty"], "there is no picture in empty"),
        (["t"], "name it with -o FOLDER"),
        (["a.png", "b.png", "-o", "c.png"], "one file for 2 pictures"),
        (["a.png", "b.png", "-o", "a.png"], "one file for 2 pictures"),
        (["a.png", "b.png", "-o", "-"], "-o - takes one picture"),
        (["a.png", "-"], "standard input"),
        (["a.png", "-o", "a.png"], "written over a picture"),
        (["a.png", "-o", "./a.png", "--force"], "written over a picture"),
        (["a.png", "-o", "."], "written over a picture"),
        (["t", "-o", "t", "--force"], "written over a picture"),
        (["a.png", "a.png"], "both be written to a_x2.png"),
        (["a.png", "-o", "c.png", "-f", "jpg"], "two formats"),
        (["a.png", "-o", "c.xyz"], "none of the endings"),
        (["a.png", "-o", ""], "one of the arguments is empty"),
        (["a.png", "--force", "--skip-existing"], "contradict"),
        (["a.png", "-o", "-", "--json"], "cannot both go to stdout"),
        (["-", "--json"], "cannot both go to stdout"),
        (["-", "-o", "t"], "name a file for standard input"),
        (["a.png", "-j", "0"], "0"),
        (["a.png", "--quality", "101"], "101"),
        (["a.png", "-f", "gif"], "does not write it"),
        (["a.png", "-f", "xyz"], "there is no format 'xyz'"),
    ],
)
def test_wrong_calls_do_nothing(folder, capsys, monkeypatch, arguments, words):
    Path("t").mkdir()
    Path("empty").mkdir()
    for name in ("a.png", "b.png", "t/c.png"):
        write(name, picture())
    before = files(folder)
    content = Path("a.png").read_bytes()
    assert run("x2.cfg", *arguments) == 2
    sentence = capsys.readouterr().err
    assert words in sentence
    assert sentence.count("\n") == 1
    assert files(folder) == before
    assert Path("a.png").read_bytes() == content


def test_without_weights_it_says_how_to_get_some(folder, capsys):
    Path("sr.cfg").write_text(NEEDS_WEIGHTS)
    write("a.png", picture())
    assert run("sr.cfg", "a.png") == 1
    sentence = capsys.readouterr().err
    for words in ("zoo convert", "--weights FILE", "sr.safetensors"):
        assert words in sentence
    assert sentence.count("\n") == 1
    assert not Path("a_x2.png").exists()


def test_an_unknown_backend_is_an_error(folder, capsys):
    write("a.png", picture())
    assert run("x2.cfg", "a.png", "--backend", "nonsense") == 2
    assert "nonsense" in capsys.readouterr().err


def test_a_file_without_permission_does_not_end_the_call(folder, capsys, monkeypatch):
    """For root too: click asks os.access whether a path can be read."""
    write("a.png", picture())
    write("b.png", picture())
    monkeypatch.setattr(os, "access", lambda path, *_, **__: "b.png" not in str(path))
    assert run("x2.cfg", "a.png", "b.png") == 0
    assert {"a_x2.png", "b_x2.png"} <= set(files(folder))


@pytest.mark.parametrize("output", ["file/out.png", "file/deep/", "file/x/y.png"])
def test_an_output_below_a_file(folder, capsys, output):
    write("a.png", picture())
    Path("file").write_text("")
    before = files(folder)
    assert run("x2.cfg", "a.png", "-o", output) == 1
    assert capsys.readouterr().err.count("\n") == 1
    assert files(folder) == before


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="as root")
def test_a_folder_that_cannot_be_written(folder, capsys):
    write("a.png", picture())
    Path("out").mkdir(mode=0o555)
    assert run("x2.cfg", "a.png", "-o", "out/") == 1
    assert "Permission denied" in capsys.readouterr().err


def test_a_folder_without_permission_is_refused_before_computing(
    folder, capsys, monkeypatch
):
    """As above, also for root, who may write everywhere."""
    write("a.png", picture())
    Path("out").mkdir()

    def refuse(dir):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("zoo.run.jobs.TemporaryFile", refuse)
    monkeypatch.setattr(PNG, "read", lambda *_, **__: pytest.fail("too late"))
    assert run("x2.cfg", "a.png", "-o", "out/") == 1
    sentence = capsys.readouterr().err
    assert "Permission denied" in sentence
    assert sentence.count("\n") == 1


# -- streams, JSON, -v -----------------------------------------------------------------


def test_pipes(folder):
    data = encode(picture(alpha=True), "png")
    done = process("x2.cfg", "-", input=data)
    assert (done.returncode, done.stderr) == (0, b"")
    assert decode(done.stdout).width == 12
    write("a.tif", picture(dtype="uint16"))
    done = process("x2.cfg", "a.tif", "-o", "-")
    assert decode(done.stdout).format == "tiff"
    done = process("x2.cfg", "-", "-f", "webp", input=data)
    assert decode(done.stdout).format == "webp"
    done = process("x2.cfg", "-", "-o", "out.bmp", input=data)
    assert (done.returncode, done.stdout) == (0, b"out.bmp\n")
    assert read("out.bmp").width == 12
    done = process("x2.cfg", "-", input=b"no picture")
    assert (done.returncode, done.stdout) == (1, b"")
    sentence = f"zoo: standard input is of no format that zoo reads ({LABELS})\n"
    assert done.stderr.decode() == sentence


def test_json_is_one_object_a_picture(folder, capsys):
    write("a.png", picture())
    Path("b.png").write_text("x")
    write("c.png", picture())
    write("c_x2.png", picture())
    code = run("x2.cfg", "a.png", "b.png", "c.png", "--json", "--skip-existing", "-j1")
    assert code == 1
    good, bad, skipped = map(json.loads, capsys.readouterr().out.splitlines())
    assert good["input"] == "a.png"
    assert good["output"] == "a_x2.png"
    assert (good["width"], good["height"]) == (6, 4)
    assert (good["output_width"], good["output_height"]) == (12, 8)
    assert good["backend"] == "numpy"
    assert "NumPy" in good["instruction_set"]
    assert good["threads"] == 1
    assert good["seconds"] >= good["network_seconds"] > 0
    assert good["error"] is None
    assert "of no format" in bad["error"]
    assert skipped["skipped"] is True


def test_verbose_tells_the_plan(folder, capsys):
    write("a.png", picture(channels=1, dtype="uint16"))
    assert run("x2.cfg", "a.png", "-v", "-x", "-j", "1") == 0
    captured = capsys.readouterr()
    assert captured.out == "a_x2.png\n"
    for words in (
        "back end numpy",
        "NumPy",
        "1 thread",
        "weights none needed",
        "6x4, 16-bit gray",
        "averaged back",
        "12x8, png",
        "self-ensemble",
        "MiB",
    ):
        assert words in captured.err


def test_no_progress_bar_where_nobody_watches(folder):
    write("a.png", picture())
    done = process("x2.cfg", "a.png")
    assert (done.returncode, done.stdout, done.stderr) == (0, b"a_x2.png\n", b"")


def test_a_progress_bar_with_time_left_on_a_terminal(folder):
    pty = pytest.importorskip("pty")
    write("a.png", picture())
    leader, follower = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "zoo", "run", "x2.cfg", "a.png"],
        stderr=follower,
        stdout=subprocess.PIPE,
    ) as running:
        os.close(follower)
        text = b""
        try:
            while part := os.read(leader, 4096):
                text += part
        except OSError:  # Linux reports the closed terminal so
            pass
        out, _ = running.communicate(timeout=60)
    os.close(leader)
    assert running.returncode == 0
    assert out.endswith(b"_x2.png\n")
    assert b"left]" in text
    assert b"pictures" in text


def test_help_imports_nothing_heavy(folder):
    code = (
        "import sys; from zoo.cli import main; main(['run', '--help']); "
        "sys.exit(bool({'numpy', 'cv2', 'tqdm'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, timeout=60, check=False
    )
    assert done.returncode == 0
    assert b"IMAGE..." in done.stdout


# -- ended before the end ------------------------------------------------------------


@contextmanager
def heard():
    """Let processes hear Ctrl-C that are started from tests in the background."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL, signal.SIGTERM])
def test_nothing_is_half_written_when_it_is_ended(folder, number):
    layers = "[convolutional]\nfilters=48\nsize=7\npad=1\nactivation=relu\n" * 12
    Path("slow.cfg").write_text(f"[net]\n{layers}")
    from zoo.checkpoints.files import save_weights
    from zoo.network import Network

    network = Network.read("slow.cfg").initialize()
    save_weights(network, "slow.safetensors")
    write("a.tif", picture(1500, 1500))
    before = files(folder)
    with (
        heard(),
        subprocess.Popen(
            [
                sys.executable,
                "-m",
                "zoo",
                "run",
                "slow.cfg",
                "a.tif",
                "-v",
                "-o",
                "b.png",
            ],
            stderr=subprocess.PIPE,
        ) as running,
    ):
        assert running.stderr is not None
        while b"MiB" not in running.stderr.readline():
            assert running.poll() is None
        time.sleep(0.2)
        running.send_signal(number)
        _, errors = running.communicate(timeout=60)
    if number == signal.SIGKILL:
        assert running.returncode == -number
    else:
        assert running.returncode == 128 + number
        assert b"Traceback" not in errors
    assert files(folder) == before


# -- names -----------------------------------------------------------------------------


def names(folder, arguments, output=None, format=None, scale=2.0):
    jobs = make_jobs(find_inputs(arguments, output), output, format, scale)
    return [job.target for job in jobs]


def test_names(folder):
    Path("d").mkdir()
    for name in ("a.png", "B.JPG", "d/c.tif", "noending"):
        Path(name).write_bytes(b"")
    assert names(folder, ["a.png"]) == ["a_x2.png"]
    assert names(folder, ["a.png"], scale=3) == ["a_x3.png"]
    assert names(folder, ["a.png"], scale=1.5) == ["a_x1.5.png"]
    assert names(folder, ["B.JPG"]) == ["B_x2.JPG"]
    assert names(folder, ["B.JPG"], format="webp") == ["B_x2.webp"]
    assert names(folder, ["noending"]) == ["noending_x2.png"]
    assert names(folder, ["a.png"], "new/") == ["new/a.png"]
    assert names(folder, ["a.png"], "d") == ["d/a.png"]
    assert names(folder, ["a.png", "d"], "new") == ["new/a.png", "new/c.tif"]
    assert names(folder, ["d"], "new", "png") == ["new/c.png"]
    assert names(folder, ["a.png"], "new", "png") == ["new"]
    assert names(folder, ["-"]) == ["-"]


def test_floats_whose_white_is_hardly_1(folder, capsys):
    write("a.tif", Image(255 * picture(dtype="float32").pixels))
    assert run("x2.cfg", "a.tif", "--force") == 0
    assert "--white 255" in capsys.readouterr().err
    assert run("x2.cfg", "a.tif", "--force", "--white", 255) == 0
    assert "--white" not in capsys.readouterr().err

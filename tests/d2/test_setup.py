import logging
import os

import pytest
import torch
from detectron2.config import LazyCall, LazyConfig, instantiate
from omegaconf import OmegaConf

from sepc import build_sepc
from sepc.d2 import engine
from sepc.layers import BatchChannelNorm, SyncBatchNorm2d

from .helpers import CONFIGS, tiny_config

CONFIG = str(CONFIGS / "quickstart" / "retinanet_sepc.py")


def test_overrides():
    cfg = engine.load_config(CONFIG, ["train.max_iter=7", "+model.head.trunk.modulated=True"])
    assert cfg.train.max_iter == 7
    assert cfg.model.head.trunk.modulated is True


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("train.max_itr=7", r"no key 'train.max_itr'; did you mean 'train.max_iter'\?"),
        ("model.head.trunk.varient=pconv", r"did you mean 'model.head.trunk.variant'\?"),
        ("train.max_iter", "expected an override key=value, got 'train.max_iter'"),
        ("=3", "expected an override key=value"),
        ("~train.max_iter=1", "deleting a key is not supported"),
    ],
)
def test_bad_override(override, message):
    with pytest.raises(ValueError, match=message):
        engine.load_config(CONFIG, [override])


@pytest.mark.parametrize("value", ["epoch=3", "run(1)", "a,b", "训练", "x[0]", "it's", "{a", 'a"b'])
def test_override_that_needs_quotes(value):
    with pytest.raises(
        ValueError, match=r"^the override 'train.output_dir=|^the override \""
    ) as error:
        engine.load_config(CONFIG, [f"train.output_dir={value}"])
    assert "\n" not in str(error.value)
    advice = str(error.value).rpartition(": ")[2]
    assert advice.startswith('"train.output_dir=') and advice.endswith('"')
    assert engine.load_config(CONFIG, [advice[1:-1]]).train.output_dir == value


def test_no_config_file(tmp_path):
    with pytest.raises(ValueError, match="expected --config-file FILE"):
        engine.load_config("")
    with pytest.raises(FileNotFoundError, match=r"did you mean .*retinanet_sepc.py\?"):
        engine.load_config(CONFIG.replace("_sepc", "_spec"))
    with pytest.raises(FileNotFoundError, match="no folder"):
        engine.load_config(str(tmp_path / "no" / "such.py"))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.txt", "", "ends in .py or .yaml, got .*a.txt"),
        ("a.py", "model = (", "a.py is not Python: .*line 1"),
        ("a.py", "train = dict(x=1)", "without model, dataloader, optimizer, lr_multiplier"),
    ],
)
def test_file_that_is_no_config(tmp_path, name, content, message):
    (tmp_path / name).write_text(content)
    with pytest.raises(ValueError, match=message):
        engine.load_config(str(tmp_path / name))


@pytest.mark.parametrize(
    ("config", "folder"),
    [
        ("configs/quickstart/retinanet_sepc.py", "./output/quickstart/retinanet_sepc"),
        ("configs/released/universenet50_2x.py", "./output/released/universenet50_2x"),
        ("configs/COCO-Detection/fcos_R_50_FPN_1x.py", "./output/fcos_R_50_FPN_1x"),
        ("elsewhere/mine.py", "./output/mine"),
        ("configs/of/configs/mine/deep/one.py", "./output/mine/deep/one"),
    ],
)
def test_output_dir_by_the_place_of_the_config(tmp_path, config, folder):
    assert engine.default_output_dir(str(tmp_path / config)) == folder


def test_output_dir_of_detectron2s_own_tools_is_its_default():
    assert LazyConfig.load(CONFIG).train.output_dir == engine.config.DETECTRON2_OUTPUT_DIR


def test_output_dir_that_is_chosen_stays(tmp_path):
    assert engine.load_config(CONFIG, ["train.output_dir=./output"]).train.output_dir == "./output"
    leaf = tmp_path / "configs" / "leaf.py"
    leaf.parent.mkdir()
    start = (
        "from detectron2.config import LazyConfig\n"
        f"cfg = LazyConfig.load({CONFIG!r})\n"
        "dataloader, lr_multiplier, model, optimizer, train = (\n"
        "    cfg[k] for k in ('dataloader', 'lr_multiplier', 'model', 'optimizer', 'train'))\n"
    )
    leaf.write_text(start)
    assert engine.load_config(str(leaf)).train.output_dir == "./output/leaf"
    leaf.write_text(f"{start}train.output_dir = 'mine'\n")
    assert engine.load_config(str(leaf)).train.output_dir == "mine"


@pytest.mark.parametrize("folder", ["./output", "./output/of/then"])
def test_output_dir_of_a_saved_config_stays(tmp_path, folder):
    LazyConfig.save(tiny_config(folder), str(tmp_path / "config.yaml"))
    assert engine.load_config(str(tmp_path / "config.yaml")).train.output_dir == folder


def test_part_of_a_config_that_is_no_python_is_named(tmp_path):
    (tmp_path / "base.py").write_text("model = (")
    (tmp_path / "a.py").write_text("from .base import model\n")
    with pytest.raises(ValueError, match=r"a.py is not Python: .*base.py .*line 1"):
        engine.load_config(str(tmp_path / "a.py"))


def test_output_dir_is_made(tmp_path):
    engine.check_output_dir(str(tmp_path / "a" / "b"))
    assert (tmp_path / "a" / "b").is_dir()
    assert not list((tmp_path / "a" / "b").iterdir())


def test_output_dir_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match=r"cannot write to the output folder .*file/out: "):
        engine.check_output_dir(str(tmp_path / "file" / "out"))


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write")
def test_output_dir_without_permission(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(PermissionError, match="cannot write to the output folder"):
        engine.check_output_dir(str(tmp_path))


def test_dataset_names(tmp_path):
    cfg = tiny_config(tmp_path)
    assert engine.dataset_names(cfg.dataloader.train) == ["tiny_train"]
    cfg.dataloader.train.dataset.names = ["a", "b"]
    assert engine.dataset_names(cfg.dataloader.train) == ["a", "b"]
    assert engine.dataset_names(LazyCall(list)()) == []


def test_device_falls_back_to_the_cpu(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    cfg = tiny_config(tmp_path, **{"train.device": "cuda"})
    note = engine.use_available_device(cfg, num_gpus=1)
    assert "No GPU found: using the CPU with" in note
    assert cfg.train.device == "cpu"
    assert engine.use_available_device(cfg, num_gpus=1) is None


def test_number_of_processes(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert [engine.number_of_processes(n) for n in (0, 1, 2)] == [1, 1, 2]
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert [engine.number_of_processes(n) for n in (0, 1, 2)] == [1, 1, 2]
    with pytest.raises(ValueError, match="expected 0 to 2, got 3"):
        engine.number_of_processes(3)


def test_amp_dtype(tmp_path):
    assert engine.amp_dtype(tiny_config(tmp_path)) is None
    cfg = tiny_config(tmp_path, **{"train.amp.enabled": True, "train.device": "cuda"})
    assert engine.amp_dtype(cfg) == torch.float16
    cfg.train.device = "cpu"
    assert engine.amp_dtype(cfg) == torch.bfloat16
    assert engine.amp_dtype(cfg, evaluation=True) is None
    cfg.train.amp.enabled, cfg.train.amp.evaluate = False, True
    assert engine.amp_dtype(cfg) is None
    assert engine.amp_dtype(cfg, evaluation=True) == torch.bfloat16
    cfg.train.amp.dtype = "float8"
    with pytest.raises(ValueError, match="expected float16 or bfloat16, got 'float8'"):
        engine.amp_dtype(cfg, evaluation=True)


@pytest.mark.parametrize(
    ("norm", "images", "warns"),
    [
        ("BN", 3, True),
        ("BN", 4, False),
        ("LevelBN", 3, True),
        (None, 1, False),
        ("GN", 1, False),
        ("BCN", 1, False),
        ("FrozenBN", 1, False),
        ("SyncBN", 1, False),
        ("naiveSyncBN_N", 1, False),
    ],
)
def test_small_batch_warning(caplog, norm, images, warns):
    trunk = build_sepc("pconv_ibn", in_channels=32, norm=norm, num_levels=5)
    with caplog.at_level(logging.WARNING):
        engine.warn_small_batch(trunk, images)
    assert len(caplog.records) == warns
    if warns:
        assert "3 image(s) per process" in caplog.text
        assert all(word in caplog.text for word in ("BCN", "GN", "SyncBN", "calibrate_norm.py"))
        assert "\n" not in caplog.records[0].message


def test_small_batch_warning_knows_accumulation_and_freezing(caplog):
    trunk = build_sepc("pconv_ibn", in_channels=4)
    with caplog.at_level(logging.WARNING):
        engine.warn_small_batch(trunk, 2, accumulate=4)
    assert "2 image(s) per process and batch, which accumulation does not change" in caplog.text
    caplog.clear()
    engine.warn_small_batch(build_sepc("pconv_ibn", in_channels=4, freeze_norm="statistics"), 2)
    assert not caplog.records


def test_hint_of_the_warning_works():
    for name, kind in [("SyncBN", SyncBatchNorm2d), ("BCN", BatchChannelNorm)]:
        cfg = engine.load_config(CONFIG, [f"+model.head.trunk.norm={name}"])
        assert isinstance(instantiate(cfg.model.head).trunk.cls_branch.norm.shared, kind)


ODD = [
    "a\nb",
    "it's",
    'say "x"',
    "ü 训练",
    "50%",
    "a=b",
    "a,b",
    "{x}",
    "$HOME",
    "a b ",
    "-x",
    "a\tb",
]


@pytest.mark.parametrize("name", [*ODD, "x/", "x/../y", "~/x"])
def test_odd_output_folders_are_made(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    path = engine.check_output_dir(name)
    assert os.path.isdir(path)
    assert not os.path.exists("~")


def test_output_folders_that_cannot_be(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "lost").symlink_to("nowhere/at/all")
    for name, reason in {
        "file": "it is a file",
        "file/x": "Not a directory",
        "loop": ".*",
        "loop/x": "symbolic links",
        "lost": ".*",
        "x" * 300: "File name too long",
        "x/" * 3000: "File name too long",
    }.items():
        with pytest.raises(
            OSError, match=f"cannot write to the output folder {name[:9]}.*{reason}"
        ):
            engine.check_output_dir(name)
    for name in ("a\0b", "s3://bucket/x", "run.txt", "run.log/", "\udc80"):
        with pytest.raises((ValueError, OSError)):
            engine.check_output_dir(name)


def test_log_that_cannot_be_written_is_one_error_and_lets_go(tmp_path):
    path = str(tmp_path / "log.txt")
    logger = logging.getLogger("sepc")
    handler = logging.StreamHandler(open("/dev/full", "w"))  # noqa: SIM115
    handler.stream = Renamed(handler.stream, path)
    logger.addHandler(handler)
    engine.stop_on_full_disk(path)
    with pytest.raises(OSError, match="No space left") as error:
        logger.error("text")
    assert error.value.filename == path
    assert handler not in logger.handlers
    logger.error("goes on")


class Renamed:
    """A stream on a full disk, under another name."""

    def __init__(self, stream, name):
        self._stream, self.name = stream, name

    def __getattr__(self, attribute):
        return getattr(self._stream, attribute)


def test_memory_layout_is_the_faster_one_of_the_device_unless_told():
    expected = {
        ("cpu", None): torch.channels_last,
        ("cuda:0", None): torch.preserve_format,
        ("cpu", False): torch.preserve_format,
        ("cuda", True): torch.channels_last,
    }
    for (device, wanted), layout in expected.items():
        cfg = OmegaConf.create({"train": {"device": device, "channels_last": wanted}})
        assert engine.memory_layout(cfg) == layout
    without_key = OmegaConf.create({"train": {"device": "cpu"}})
    assert engine.memory_layout(without_key) == torch.channels_last


@pytest.mark.parametrize("fast", [True, False])
@pytest.mark.parametrize("key", ["enabled", "evaluate"])
def test_warning_of_slow_bfloat16(caplog, monkeypatch, key, fast):
    monkeypatch.setattr("sepc.d2.engine.setup.has_fast_bfloat16", lambda: fast)
    cfg = engine.load_config(CONFIG, ["train.device=cpu"])
    with caplog.at_level(logging.WARNING):
        engine.warn_slow_bfloat16(cfg)
        assert not caplog.records
        cfg.train.amp[key] = True
        engine.warn_slow_bfloat16(cfg)
    assert [f"train.amp.{key}=False" in record.message for record in caplog.records] == (
        [] if fast else [True]
    )

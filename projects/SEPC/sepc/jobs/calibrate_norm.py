"""Make a checkpoint's running statistics anew from a data set: checkpoint in, checkpoint out.

    python tools/calibrate_norm.py --config-file FILE --weights model_final.pth precise.pth
    python tools/calibrate_norm.py --config-file FILE --weights model_final.pth adapted.pth \\
        --dataset shapes_shifted_train --alpha 0.5 --norms all

Without `--dataset` the images are those of the training: precise BN, for statistics that are better
than the running ones of a short training or of small batches. With images of another domain, which
need no ground truth, `--alpha` says how much of the old statistics to keep (alpha-BN).

See docs/norms.md. The weights are changed in nothing else, and what a checkpoint holds besides the
model is left out: it is for inference, or to begin a training from.
"""

import argparse
from collections.abc import Sequence

from detectron2.config import instantiate
from detectron2.utils.logger import setup_logger

from sepc.checkpoint.writing import write_data
from sepc.d2 import engine
from sepc.d2.calibrate import NORMS, batches_of, calibrate
from sepc.d2.datasets import check_registered
from sepc.program import exit_status


def calibrate_checkpoint(args: argparse.Namespace) -> str:
    """Calibrate the checkpoint and write the new one; return a line about it."""
    cfg = engine.load_config(args.config_file, args.opts)
    dataset = args.dataset or engine.dataset_names(cfg.dataloader.train)[0]
    check_registered(dataset)
    engine.use_available_device(cfg, num_gpus=1)
    model = instantiate(cfg.model).to(cfg.train.device)
    source, target = args.weights
    engine.Checkpointer(model).load(source, checkpointables=[], strict=True)

    batch_size = args.batch_size or cfg.dataloader.train.total_batch_size
    mapper = instantiate(cfg.dataloader.test.mapper)
    count, batches = batches_of(dataset, mapper, images=args.images, batch_size=batch_size)
    settings = {"alpha": args.alpha, "norms": args.norms}
    calibrate(model, batches, num_batches=count, progress=True, **settings)
    settings |= {"dataset": dataset, "images": count * batch_size}
    write_data({"model": model.state_dict(), "calibration": settings}, target)
    return f"{target}: " + ", ".join(f"{key} {value}" for key, value in settings.items())


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--config-file", required=True, metavar="FILE")
    parser.add_argument("--weights", required=True, nargs=2, metavar=("IN", "OUT"))
    parser.add_argument("--dataset", metavar="NAME", help="registered; default: that of training")
    parser.add_argument("--images", type=int, default=200, help="at most so many (200)")
    parser.add_argument("--batch-size", type=int, help="images per batch; default: as in training")
    parser.add_argument("--alpha", type=float, default=0.0, help="share of old statistics (0)")
    parser.add_argument("--norms", choices=NORMS, default="pyramid", help="which ones (pyramid)")
    parser.add_argument("opts", nargs="*", metavar="key=value", help="overrides of the config")
    args = parser.parse_args(argv)
    setup_logger(name="fvcore")
    return exit_status(lambda: print(calibrate_checkpoint(args)))

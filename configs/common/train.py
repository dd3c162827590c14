"""Options of the training loop: Detectron2's, and those that train_net.py adds."""

from detectron2 import model_zoo

train = model_zoo.get_config("common/train.py").train
train.seed = -1  # of weights, shuffle and augmentation; negative: a new one each time
train.amp.dtype = "float16"  # or bfloat16, which a CPU always uses
train.amp.evaluate = False  # evaluate in this precision, whether or not it trains so
train.grad_clip = None  # or dict(max_norm=35, norm_type=2)
train.accumulate = 1  # batches per step; iBN takes its statistics of each of them alone
train.report = True  # report.html at the end, beside results.json
train.channels_last = None  # memory layout of maps and weights; null: on a CPU, where it is faster
# averaged weights, which evaluations then use: decay that is approached, steps of the approach
train.ema = dict(enabled=False, decay=0.9998, ramp=2000)

"""Train the mouth painter on pairs of frames of talking video: L1, VGG features, hinge patch GAN, feature matching.

The losses are MegaPortraits' (Drobyshev et al. 2022, section 3.2), on the mouth alone and at its own resolution.
"""

from __future__ import annotations

import copy
import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn
from torch.utils.data import DataLoader

from vasa_core.checkpoint import load_tensors, save_tensors
from vasa_core.config import InputError
from vasa_core.face.mouth import faster_precision, save_network
from vasa_core.face.mouth_network import INNER_LIPS, PHOTO, WARPED, MouthConfig, MouthNetwork, blended
from vasa_core.face.topology import canonical_mesh
from vasa_core.registry import resolve
from vasa_core.training.mouth_data import MouthClip, PairBatches, few_per_speaker, load_clip, make_pair, stacked
from vasa_core.training.mouth_losses import PatchJudge, feature_matching_loss, judge_loss, painting_cost, pixel_loss
from vasa_core.training.perceptual import Perceptual
from vasa_core.training.tracking import find_clips, track_clips

SHEET_PAIRS = 24
VALIDATION_PAIRS = 6  # a clip
CLOSED_LIPS = 0.012  # face widths

Batch = tuple[Tensor, Tensor, Tensor]  # network input (b, 9, p, p), truth (b, 3, p, p), judged (b, 1, p, p)


@dataclass(frozen=True)
class MouthTrainingConfig:
    """One training run. steps: 0 trains for the given minutes, else for so many steps. *_weight: of the losses.

    perceptual_share: of a batch that the perceptual loss sees; it is the dearest of all.
    judge_from: step at which the discriminator joins. snapshot_minutes: between two states on disk.
    """

    network: MouthConfig = MouthConfig()
    batch: int = 16
    steps: int = 0
    learning_rate: float = 4e-4
    judge_learning_rate: float = 2e-4
    warmup: int = 100
    judge_width: int = 48
    judge_from: int = 500
    pixel_weight: float = 6.0
    perceptual_weight: float = 0.4
    perceptual_share: float = 0.5
    judge_weight: float = 0.25
    matching_weight: float = 4.0
    painting_weight: float = 0.03
    average_decay: float = 0.998
    frames_per_clip: int = 160
    clips_per_speaker: int = 8
    snapshot_minutes: float = 4.0
    seed: int = 0


def train_mouth(
    data: list[Path], out: Path, cache: Path, config: MouthTrainingConfig | None = None, minutes: float = 30.0
) -> dict[str, float]:
    """Train on the train clips of `data`, keep the network that is best on the val clips in `out`; returns its scores.

    cache: folder of cached tracking and mouth crops, and of this run's state: the same call again goes on where the
    last one stopped, up to `minutes` of training in all. Raises InputError if there is no clip to train on.
    """
    config = config or MouthTrainingConfig()
    train, val = load_mouth_clips(data, cache, config)
    triangles = canonical_mesh(resolve("face_landmarker"))[1]
    run = TrainingRun(config, Perceptual(resolve("perceptual")), cache / "runs" / out.name)
    run.resume()
    torch.manual_seed(config.seed)
    batches = PairBatches(train, triangles, config.network.patch, config.batch, config.seed, run.step)
    loader = iter(DataLoader(batches, batch_size=None, num_workers=1, prefetch_factor=4))
    check = validation_pairs(val or train, triangles, config.network.patch)
    return _loop(run, loader, check, out, minutes)


def load_mouth_clips(
    data: list[Path], cache: Path, config: MouthTrainingConfig
) -> tuple[list[MouthClip], list[MouthClip]]:
    """Mouth crops of the train clips and the val clips of folders. Raises InputError if none can be trained on."""
    from tqdm import tqdm

    tracked = [clip for folder in data for clip in track_clips(find_clips(folder), cache / "tracking")]
    crops = cache / "mouth"
    crops.mkdir(parents=True, exist_ok=True)
    splits: list[list[MouthClip]] = []
    for split in ("train", "val"):
        clips = few_per_speaker([c for c in tracked if c.clip.split == split], config.clips_per_speaker)
        splits.append([load_clip(c, crops, config.frames_per_clip) for c in tqdm(clips, f"{split} mouths")])
    train, val = splits
    known = {clip.speaker for clip in train}
    val = [clip for clip in val if clip.speaker not in known]
    if not any(clip.weight > 0 for clip in train):
        places = ", ".join(map(str, data))
        raise InputError(f"{places}: no face whose lips move was found; expected a folder of videos of talking faces.")
    return train, val


class TrainingRun:
    """Everything a run consists of: networks, optimisers, the step, and the folder that records it."""

    def __init__(self, config: MouthTrainingConfig, perceptual: Perceptual, folder: Path) -> None:
        self.config, self.folder, self.perceptual = config, folder, perceptual
        torch.manual_seed(config.seed)
        self.network = MouthNetwork(config.network).to(memory_format=torch.channels_last)  # pyright: ignore
        self.average = copy.deepcopy(self.network).requires_grad_(False)
        self.judge = PatchJudge(config.judge_width).to(memory_format=torch.channels_last)  # pyright: ignore
        rates = (config.learning_rate, config.judge_learning_rate)
        self.optimizer, self.judge_optimizer = (
            torch.optim.AdamW(part.parameters(), rate, betas=(0.5, 0.99), weight_decay=1e-4)
            for part, rate in zip((self.network, self.judge), rates, strict=True)
        )
        self.step, self.seconds, self.best = 0, 0.0, float("inf")
        self.half = faster_precision(self.network) == torch.bfloat16

    def train_step(self, batch: Batch, progress: float) -> dict[str, float]:
        """One step of both networks; progress: share of the run that is done, for the learning rates."""
        config, (x, truth, judged) = self.config, batch
        for optimizer, rate in (
            (self.optimizer, config.learning_rate),
            (self.judge_optimizer, config.judge_learning_rate),
        ):
            scale = min(1.0, (self.step + 1) / config.warmup) * max(0.05, 1 - progress)
            optimizer.param_groups[0]["lr"] = rate * scale
        with torch.autocast("cpu", torch.bfloat16, enabled=self.half):
            change, weight = self.network(x)
        painted = blended(x, change, weight) * judged + truth * (1 - judged)
        judging = self.step >= config.judge_from
        if judging:
            loss = self.judge_step(painted.detach(), truth, x)
        losses = self.losses(painted, weight, truth, x, judging)
        total = torch.stack(list(losses.values())).sum()
        self.optimizer.zero_grad()
        total.backward()
        nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self.optimizer.step()
        self._update_average()
        self.step += 1
        values = {name: float(value.detach()) for name, value in losses.items()}
        return {**values, "judge": loss} if judging else values

    def losses(self, painted: Tensor, weight: Tensor, truth: Tensor, x: Tensor, judging: bool) -> dict[str, Tensor]:
        """The painter's weighted losses by name."""
        config = self.config
        near_painted, near_truth, near_x = focus(painted), focus(truth), focus(x)
        found = {
            "pixel": config.pixel_weight * pixel_loss(painted, truth, x),
            "painting": config.painting_weight * painting_cost(weight, x),
        }
        with torch.autocast("cpu", torch.bfloat16, enabled=self.half):
            some = max(1, round(config.perceptual_share * len(x)))
            distance = self.perceptual(F.avg_pool2d(near_painted[:some], 2), F.avg_pool2d(near_truth[:some], 2))
            found["perceptual"] = config.perceptual_weight * distance
            if judging:
                with torch.no_grad():
                    _, wanted = self.judge(near_truth, near_x)
                verdict, features = self.judge(near_painted, near_x)
                found["fooling"] = -config.judge_weight * verdict.mean()
                found["matching"] = config.matching_weight * feature_matching_loss(features, wanted)
        return found

    def judge_step(self, painted: Tensor, truth: Tensor, x: Tensor) -> float:
        """One step of the discriminator alone."""
        with torch.autocast("cpu", torch.bfloat16, enabled=self.half):
            verdicts = [self.judge(focus(image), focus(x))[0] for image in (truth, painted)]
        loss = judge_loss(*verdicts)
        self.judge_optimizer.zero_grad()
        loss.backward()
        self.judge_optimizer.step()
        return float(loss.detach())

    def _update_average(self) -> None:
        decay = min(self.config.average_decay, (self.step + 1) / (self.step + 10))
        pairs = zip(self.average.parameters(), self.network.parameters(), strict=True)
        for kept, new in pairs:
            kept.lerp_(new.detach(), 1 - decay)

    def save(self) -> None:
        """Write the state from which `resume` goes on."""
        tensors = {
            f"{part}.{name}": value
            for part in ("network", "average", "judge")
            for name, value in getattr(self, part).state_dict().items()
        }
        for part in ("optimizer", "judge_optimizer"):
            for index, state in getattr(self, part).state_dict()["state"].items():
                tensors |= {f"{part}.{index}.{name}": value for name, value in state.items()}
        facts = {"step": str(self.step), "seconds": str(self.seconds), "best": str(self.best)}
        save_tensors(self.folder / "state.safetensors", tensors, facts)

    def resume(self) -> None:
        """Go on from the folder's state if it has one. Raises InputError if that is of another configuration."""
        path, config = self.folder / "state.safetensors", json.dumps(asdict(self.config), indent=2)
        self.folder.mkdir(parents=True, exist_ok=True)
        if not path.is_file():
            (self.folder / "config.json").write_text(config)
            return
        if json.loads((self.folder / "config.json").read_text())["network"] != json.loads(config)["network"]:
            raise InputError(f"{self.folder} holds a run of another network; expected an empty folder or the same one.")
        tensors, facts = load_tensors(path)
        for part in ("network", "average", "judge"):
            state = {name.split(".", 1)[1]: v for name, v in tensors.items() if name.split(".", 1)[0] == part}
            getattr(self, part).load_state_dict(state)
        for part in ("optimizer", "judge_optimizer"):
            moments: dict[int, dict[str, Tensor]] = {}
            for name, value in tensors.items():
                if name.split(".", 1)[0] == part:
                    _, index, key = name.split(".")
                    moments.setdefault(int(index), {})[key] = value
            optimizer = getattr(self, part)
            optimizer.load_state_dict({**optimizer.state_dict(), "state": moments})
        self.step, self.seconds, self.best = int(facts["step"]), float(facts["seconds"]), float(facts["best"])


def focus(image: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c _h _w"]:
    """The part of a patch in which lips and chin move: its middle two thirds by five sixths."""
    height, width = image.shape[-2:]
    return image[..., height // 6 : height - height // 6, width // 12 : width - width // 12]


def validation_pairs(clips: list[MouthClip], triangles: np.ndarray, patch: int) -> list[Batch]:
    """Fixed pairs of every clip, one batch a clip: photos over all openings, driving frames of the more open half."""
    batches = []
    for clip in clips:
        order = np.argsort(clip.lips)
        count = min(VALIDATION_PAIRS, len(order))
        photos = order[np.linspace(0, len(order) - 1, count).astype(int)]
        driving = order[np.linspace(len(order) - 1, len(order) // 2, count).astype(int)]
        pairs = [make_pair(clip, int(a), int(b), triangles, patch) for a, b in zip(photos, driving, strict=True)]
        batches.append(stacked(pairs))
    return batches


@torch.no_grad()
def scores(network: MouthNetwork, perceptual: Perceptual, batches: list[Batch]) -> dict[str, float]:
    """Inner-lip L1 (scale -1..1) and perceptual distance (half size) of the warp alone and of the painted patch."""
    rows = []
    for x, truth, judged in batches:
        warped = x[:, WARPED] * judged + truth * (1 - judged)
        painted = blended(x, *network(x)) * judged + truth * (1 - judged)
        inner = (x[:, INNER_LIPS] + 1) / 2
        row, near_truth = {}, F.avg_pool2d(focus(truth), 2)
        for name, image in (("warp", warped), ("painted", painted)):
            row[f"inner_l1_{name}"] = ((image - truth).abs() * inner).sum() / (3 * inner.sum()).clamp_min(1)
            row[f"perceptual_{name}"] = perceptual(F.avg_pool2d(focus(image), 2), near_truth)
        rows.append({key: float(value) for key, value in row.items()})
    return {key: round(float(np.mean([row[key] for row in rows])), 4) for key in rows[0]}


@torch.no_grad()
def contact_sheet(network: MouthNetwork, batches: list[Batch], target: Path) -> None:
    """PNG of photo | warped | painted | truth, three a row, the widest open pair of each clip first."""
    x, truth, _ = (torch.cat([b[k][i : i + 1] for i in (0, 2, 3) for b in batches])[:SHEET_PAIRS] for k in range(3))
    painted = blended(x, *network(x))
    strips = torch.cat([x[:, PHOTO], x[:, WARPED], painted, truth], 3)  # (n, 3, p, 4p)
    pixels = ((strips + 1) * 127.5).round().clamp(0, 255).byte().permute(0, 2, 3, 1).numpy()
    pixels = pixels[: len(pixels) // 3 * 3] if len(pixels) > 2 else pixels[:1]
    rows = [np.concatenate(list(group), 1) for group in np.split(pixels, max(1, len(pixels) // 3))]
    cv2.imwrite(str(target), np.concatenate(rows)[..., ::-1])


def _loop(run: TrainingRun, loader: object, check: list[Batch], out: Path, minutes: float) -> dict[str, float]:
    """Train until the steps or the minutes are done; a snapshot every few minutes."""
    from tqdm import tqdm

    config, found = run.config, {}
    last = time.monotonic()
    start = last - run.seconds
    bar = tqdm(desc="training the mouth painter", total=config.steps or None, initial=run.step)
    while True:
        run.seconds = time.monotonic() - start
        progress = run.step / config.steps if config.steps else run.seconds / (60 * minutes)
        due = time.monotonic() - last >= 60 * config.snapshot_minutes and run.step > 0
        if due or progress >= 1:
            found = _snapshot(run, check, out)
            bar.write(json.dumps({"step": run.step, "minutes": round(run.seconds / 60, 1), **found}))
            last = time.monotonic()
        if progress >= 1:
            return found
        values = run.train_step(next(loader), progress)  # pyright: ignore[reportArgumentType]
        bar.update()
        if run.step % 20 == 0:
            bar.set_postfix({name: f"{value:.3f}" for name, value in values.items()})


def _snapshot(run: TrainingRun, check: list[Batch], out: Path) -> dict[str, float]:
    """Score the averaged network, record it, and keep it in `out` if it is the best so far."""
    found = scores(run.average, run.perceptual, check)
    if found["perceptual_painted"] < run.best:
        run.best = found["perceptual_painted"]
        save_network(out, run.average)
    contact_sheet(run.average, check, run.folder / f"sheet-{run.step:06d}.png")
    with (run.folder / "scores.jsonl").open("a") as stream:
        stream.write(json.dumps({"step": run.step, "minutes": round(run.seconds / 60, 1), **found}) + "\n")
    run.save()
    return found

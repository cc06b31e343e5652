"""Train the renderer on pairs of frames of talking video: L1, VGG features, change over time, hinge patch GAN.

The losses are MegaPortraits' (Drobyshev et al. 2022, section 3.2) with feature matching, on the mouth or the eyes.
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

from vasa_core.assets import resolve
from vasa_core.checkpoint import load_tensors, optimizer_tensors, restore_optimizer, save_tensors
from vasa_core.data.clips import few_per_person, find_clips
from vasa_core.data.crops import FaceClip, load_clip
from vasa_core.data.descriptors import IdentityDescriptor, open_descriptor
from vasa_core.data.tracking import track_clips
from vasa_core.errors import InputError
from vasa_core.face.inpaint.network import OPENING, WARPED, PatchConfig, PatchNetwork, blended
from vasa_core.face.inpaint.regions import EYE_LEFT, MOUTH
from vasa_core.face.inpaint.renderer import load_network, save_network
from vasa_core.face.topology import canonical_mesh
from vasa_core.training.engine.accelerator import cpu_autocast
from vasa_core.training.losses.lpips import Perceptual
from vasa_core.training.renderer.data import Batch, PairBatches, make_pairs, regions_of, stacked
from vasa_core.training.renderer.losses import (
    PatchJudge,
    about_opening,
    change_loss,
    feature_matching_loss,
    gradient_penalty,
    identity_loss,
    inside_share,
    judge_loss,
    painting_cost,
    pixel_loss,
    told_apart,
)

SHEET_PAIRS, SMALL_PATCH = 45, 64  # pairs, px
VALIDATION_PAIRS = 6  # a clip
NETWORKS = {
    "mouth": PatchConfig(patch=MOUTH.patch, widths=(32, 64, 96, 128)),
    "eyes": PatchConfig(patch=EYE_LEFT.patch, widths=(24, 48, 64, 96)),
}


@dataclass(frozen=True)
class RendererTrainingConfig:
    """One training run. steps: 0 trains for the given minutes, else for so many steps. *_weight: of the losses.

    consecutive: pairs of frames of a batch that follow each other in time. perceptual_share: of a batch that the
    perceptual loss sees; it is the dearest of all. identity_examples: that the identity loss sees. judge_from: step
    from which the discriminator, which learns from the first, is listened to. penalty_weight: of its gradient penalty,
    made every penalty_every steps. half: bfloat16 autocast. snapshot_minutes: between two states on disk.
    """

    network: PatchConfig = PatchConfig()
    batch: int = 12
    consecutive: int = 2
    steps: int = 0
    learning_rate: float = 4e-4
    judge_learning_rate: float = 1e-3
    warmup: int = 100
    judge_width: int = 32
    judge_from: int = 200
    penalty_weight: float = 0.1
    penalty_every: int = 16
    pixel_weight: float = 6.0
    perceptual_weight: float = 0.4
    perceptual_share: float = 0.5
    judge_weight: float = 0.2
    change_weight: float = 3.0
    matching_weight: float = 2.0
    painting_weight: float = 0.01
    identity_weight: float = 2.0
    identity_examples: int = 3
    average_decay: float = 0.998
    half: bool = True
    frames_per_clip: int = 160
    clips_per_speaker: int = 8
    snapshot_minutes: float = 4.0
    seed: int = 0


def train_renderer(
    network: str,
    data: list[Path],
    out: Path,
    cache: Path,
    minutes: float = 60.0,
    seed: int = 0,
    start: Path | None = None,
    identity: str = "dlib",
) -> dict[str, float]:
    """Train the network of a region on the train clips of `data`, keep the one best on the val clips in `out`.

    network: "mouth" or "eyes". cache: folder of cached tracking and face crops, and of this run's state: the same call
    again goes on where the last one stopped, up to `minutes` of training in all. start: checkpoint to begin from.
    identity: of `open_descriptor`. Returns scores. Raises InputError for an unknown network, a start of other sizes, or
    if there is no clip to train on.
    """
    if network not in NETWORKS:
        raise InputError(f"network is {network!r}; expected one of {', '.join(NETWORKS)}.")
    config = RendererTrainingConfig(NETWORKS[network], seed=seed)
    train, val = load_face_clips(data, cache, config)
    triangles = canonical_mesh(resolve("face_landmarker"))[1]
    run = TrainingRun(config, Perceptual(resolve("perceptual")), cache / "runs" / out.name, open_descriptor(identity))
    run.resume()
    if start and run.step == 0:
        run.start_from(start)
    torch.manual_seed(config.seed)
    batches = PairBatches(train, triangles, network, config.batch, config.consecutive, config.seed, run.step)
    loader = DataLoader(batches, batch_size=None, num_workers=1, prefetch_factor=4)
    return _loop(run, iter(loader), validation_pairs(val or train, triangles, network), out, minutes)


def load_face_clips(
    data: list[Path], cache: Path, config: RendererTrainingConfig
) -> tuple[list[FaceClip], list[FaceClip]]:
    """Face crops of the train clips and the val clips of folders. Raises InputError if none can be trained on."""
    from tqdm import tqdm

    crops = cache / "faces"
    splits: list[list[FaceClip]] = []
    for split in ("train", "val"):
        found = [clip for folder in data for clip in find_clips(folder) if clip.split == split]
        clips = track_clips(few_per_person(found, config.clips_per_speaker), cache / "tracking")
        splits.append([load_clip(c, crops, config.frames_per_clip) for c in tqdm(clips, f"{split} faces")])
    train, val = splits
    known = {clip.speaker for clip in train}
    val = [clip for clip in val if clip.speaker not in known]
    if not any(clip.weight(MOUTH) > 0 for clip in train):
        places = ", ".join(map(str, data))
        raise InputError(f"{places}: no face whose lips move was found; expected a folder of videos of talking faces.")
    return train, val


class TrainingRun:
    """Everything a run consists of: networks, optimisers, the step, and the folder that records it."""

    def __init__(
        self,
        config: RendererTrainingConfig,
        perceptual: Perceptual,
        folder: Path,
        descriptor: IdentityDescriptor | None = None,
    ) -> None:
        """descriptor: for the identity loss; without one there is none."""
        self.config, self.folder, self.perceptual, self.descriptor = config, folder, perceptual, descriptor
        torch.manual_seed(config.seed)
        self.network = PatchNetwork(config.network).to(memory_format=torch.channels_last)  # pyright: ignore
        self.average = copy.deepcopy(self.network).requires_grad_(False)
        self.judge = PatchJudge(config.judge_width).to(memory_format=torch.channels_last)  # pyright: ignore
        rates = (config.learning_rate, config.judge_learning_rate)
        self.optimizer, self.judge_optimizer = (
            torch.optim.AdamW(part.parameters(), rate, betas=(0.5, 0.99), weight_decay=1e-4)
            for part, rate in zip((self.network, self.judge), rates, strict=True)
        )
        self.step, self.seconds, self.best = 0, 0.0, float("inf")

    def train_step(self, batch: Batch, progress: float) -> dict[str, float]:
        """One step of both networks; progress: share of the run that is done, for the learning rates."""
        config, x, truth = self.config, batch.x, batch.truth
        for optimizer, rate in (
            (self.optimizer, config.learning_rate),
            (self.judge_optimizer, config.judge_learning_rate),
        ):
            scale = min(1.0, (self.step + 1) / config.warmup) * max(0.05, 1 - progress)
            optimizer.param_groups[0]["lr"] = rate * scale
        with cpu_autocast(self.config.half):
            change, weight = self.network(x, self.network.source(batch.source))
        painted = blended(x, change, weight) * batch.judged + truth * (1 - batch.judged)
        verdict = self.judge_step(painted.detach(), truth, x)
        losses = self.losses(painted, weight, truth, x, self.step >= config.judge_from)
        if self.descriptor:
            some = slice(0, config.identity_examples)
            faces = batch.face[some], batch.points[some], batch.place[some]
            shown = identity_loss(self.descriptor, painted[some], truth[some], *faces)
            losses["identity"] = config.identity_weight * shown
        total = torch.stack(list(losses.values())).sum()
        self.optimizer.zero_grad()
        total.backward()
        nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self.optimizer.step()
        self._update_average()
        self.step += 1
        return {name: float(value.detach()) for name, value in losses.items()} | verdict

    def losses(self, painted: Tensor, weight: Tensor, truth: Tensor, x: Tensor, judging: bool) -> dict[str, Tensor]:
        """The painter's weighted losses by name."""
        config = self.config
        found = {
            "pixel": config.pixel_weight * pixel_loss(painted, truth, x),
            "painting": config.painting_weight * painting_cost(weight, x),
            "change": config.change_weight * self._change(painted, truth, x),
        }
        with cpu_autocast(self.config.half):
            some = slice(None, None, max(1, round(1 / config.perceptual_share)))
            shrunk = (seen(image[some], config.network.patch) for image in (focus(painted), focus(truth)))
            distance = self.perceptual(*shrunk)
            found["perceptual"] = config.perceptual_weight * distance
            if judging:
                near_x, near_painted, near_truth = about_opening(x, x, painted, truth)
                self.judge.requires_grad_(False)
                _, wanted = self.judge(near_truth, near_x)
                verdict, features = self.judge(near_painted, near_x)
                self.judge.requires_grad_(True)
                found["fooling"] = -config.judge_weight * (verdict * inside_share(near_x, verdict)).mean()
                found["matching"] = config.matching_weight * feature_matching_loss(features, wanted)
        return found

    def _change(self, painted: Tensor, truth: Tensor, x: Tensor) -> Tensor:
        follow = slice(0, 2 * self.config.consecutive)
        return change_loss(painted[follow], truth[follow], x[follow]) if self.config.consecutive else x.new_zeros(())

    def judge_step(self, painted: Tensor, truth: Tensor, x: Tensor) -> dict[str, float]:
        """One step of the discriminator alone: its hinge loss (2 at chance), and the share of the open mouths or eyes
        that it takes for what they are."""
        config = self.config
        near_x, near_painted, near_truth = about_opening(x, x, painted, truth)
        with cpu_autocast(config.half):
            (real, _), (fake, _) = (self.judge(image, near_x) for image in (near_truth, near_painted))
        share = inside_share(near_x, real)
        loss = judge_loss(real, fake, share)
        total = loss
        if self.step % config.penalty_every == 0:
            penalty = gradient_penalty(self.judge, near_truth, near_x)
            total = loss + config.penalty_every * config.penalty_weight / 2 * penalty
        self.judge_optimizer.zero_grad()
        total.backward()
        self.judge_optimizer.step()
        known = told_apart(real.detach(), fake.detach(), share)
        return {"judge": float(loss.detach()), "judge_right": float(known)}

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
            tensors |= optimizer_tensors(part, getattr(self, part))
        facts = {"step": str(self.step), "seconds": str(self.seconds), "best": str(self.best)}
        save_tensors(self.folder / "state.safetensors", tensors, facts)

    def start_from(self, folder: Path) -> None:
        """Take over the network of a checkpoint. Raises InputError if it has other sizes."""
        network = load_network(folder)
        if network.config != self.config.network:
            raise InputError(f"{folder} holds {network.config}; expected {self.config.network}.")
        for part in (self.network, self.average):
            part.load_state_dict(network.state_dict())

    def resume(self) -> None:
        """Go on from the folder's state if it has one. Raises InputError if that is of another configuration."""
        path, config = self.folder / "state.safetensors", json.dumps(asdict(self.config), indent=2)
        self.folder.mkdir(parents=True, exist_ok=True)
        if not path.is_file():
            (self.folder / "config.json").write_text(config)
            return
        before, now = json.loads((self.folder / "config.json").read_text()), json.loads(config)
        if any(before[part] != now[part] for part in ("network", "judge_width")):
            raise InputError(f"{self.folder} holds a run of another network; expected an empty folder or the same one.")
        tensors, facts = load_tensors(path)
        for part in ("network", "average", "judge"):
            state = {name.split(".", 1)[1]: v for name, v in tensors.items() if name.split(".", 1)[0] == part}
            getattr(self, part).load_state_dict(state)
        for part in ("optimizer", "judge_optimizer"):
            restore_optimizer(part, getattr(self, part), tensors)
        self.step, self.seconds, self.best = int(facts["step"]), float(facts["seconds"]), float(facts["best"])


def focus(image: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c _h _w"]:
    """The part of a patch in which lips, chin and lids move: its middle three quarters."""
    height, width = image.shape[-2:]
    return image[..., height // 8 : height - height // 8, width // 8 : width - width // 8]


def seen(image: Float[Tensor, "b c h w"], patch: int) -> Float[Tensor, "b c _h _w"]:
    """What the perceptual loss sees: large patches at half size, where it costs a quarter and sees more at once."""
    return F.avg_pool2d(image, 2) if patch > SMALL_PATCH else image


def validation_pairs(clips: list[FaceClip], triangles: np.ndarray, network: str) -> list[Batch]:
    """Fixed pairs of every clip, one batch a clip.

    Mouths: photos over all openings, driving frames of the more open half. Eyes: photos of open eyes, driving frames
    over all openings.
    """
    batches = []
    for clip in clips:
        pairs = []
        for number, (photo, driving) in enumerate(_fixed_frames(clip, network)):
            regions = regions_of(network)
            pairs += make_pairs(clip, photo, [driving], regions[number % len(regions)], triangles)
        batches.append(stacked(pairs))
    return batches


def _fixed_frames(clip: FaceClip, network: str) -> list[tuple[int, int]]:
    order = np.argsort(clip.lips if network == "mouth" else clip.lids)
    last, count = len(order) - 1, min(VALIDATION_PAIRS, len(order))
    first = 0 if network == "mouth" else len(order) // 2
    photos = order[np.linspace(first, last, count).astype(int)]
    driving = order[np.linspace(last, last // 2 if network == "mouth" else 0, count).astype(int)]
    return list(zip(photos.tolist(), driving.tolist(), strict=True))


@torch.no_grad()
def scores(network: PatchNetwork, perceptual: Perceptual, batches: list[Batch]) -> dict[str, float]:
    """L1 (scale -1..1) inside the opening and in the whole patch, and perceptual distance about the opening and in the
    middle of the patch, of the warp alone and of the painted patch."""
    rows = []
    for x, source, truth, judged, *_ in batches:
        warped = x[:, WARPED] * judged + truth * (1 - judged)
        painted = blended(x, *network(x, network.source(source))) * judged + truth * (1 - judged)
        inner = (x[:, OPENING] + 1) / 2
        row, near_truth = {}, seen(focus(truth), network.config.patch)
        for name, image in (("warp", warped), ("painted", painted)):
            row[f"inner_l1_{name}"] = ((image - truth).abs() * inner).sum() / (3 * inner.sum()).clamp_min(1)
            row[f"l1_{name}"] = (focus(image) - focus(truth)).abs().mean()
            row[f"perceptual_{name}"] = perceptual(seen(focus(image), network.config.patch), near_truth)
            row[f"inner_perceptual_{name}"] = perceptual(*about_opening(x, image, truth))
        rows.append({key: float(value) for key, value in row.items()})
    return {key: round(float(np.mean([row[key] for row in rows])), 4) for key in rows[0]}


@torch.no_grad()
def contact_sheet(network: PatchNetwork, batches: list[Batch], target: Path) -> None:
    """PNG of photo | warped | painted | truth, three a row, the hardest pair of each clip first."""
    x, source, truth = (
        torch.cat([b[k][i : i + 1] for i in (0, 2, 3, 5) for b in batches if len(b.x) > i])[:SHEET_PAIRS]
        for k in range(3)
    )
    painted = blended(x, *network(x, network.source(source)))
    strips = torch.cat([source[:, WARPED], x[:, WARPED], painted, truth], 3)  # (n, 3, p, 4p)
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
    bar = tqdm(desc="training the renderer", total=config.steps or None, initial=run.step)
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
    """Score the averaged network, record it in the run's folder, and keep it in `out` if it is the best so far.

    The best by what is seen about the opening: over the whole patch, skin that only the warp moves decides.
    """
    found = scores(run.average, run.perceptual, check)
    save_network(run.folder / "last", run.average)
    if found["inner_perceptual_painted"] < run.best:
        run.best = found["inner_perceptual_painted"]
        save_network(out, run.average)
    contact_sheet(run.average, check, run.folder / f"sheet-{run.step:06d}.png")
    with (run.folder / "scores.jsonl").open("a") as stream:
        stream.write(json.dumps({"step": run.step, "minutes": round(run.seconds / 60, 1), **found}) + "\n")
    run.save()
    return found

"""The pass of the frozen encoders at the paper's sizes: eager and compiled, in float32 and bfloat16.

ViT-S/16 at 384 px (577 tokens) and BERT-base on chunks of 512 ids, random weights, through the pass that caches tokens
(`medpatch.feature.encode`): autocast as there, copies to the device included. "Of matmul" is the share of what one
product of large square matrices reaches on the same device in the same type, measured between the passes. FLOPs are
those of one eager forward, an addition counted apart from its multiplication.

Run: python bench/encoder_pass.py [--images n] [--chunks n] [--repeats n] [--device auto|cpu|cuda]
"""

import argparse
import copy
import platform
import re
from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from statistics import median

import torch
from measure import timed
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.profiler import ProfilerActivity, profile
from torch.utils.flop_counter import FlopCounterMode

from medpatch.config.model import ModelConfig
from medpatch.config.name import Modality
from medpatch.config.train import Device, Precision, TrainConfig
from medpatch.contract.batch import Tokens
from medpatch.feature.compiled import compiled
from medpatch.feature.encode import STAYS_AT_ONCE, encoder_of
from medpatch.feature.opening import choose_device
from medpatch.feature.ragged import Inputs, Ragged
from medpatch.feature.seed import deterministic
from medpatch.model.build import build_unimodal
from medpatch.model.encoder_note import CHUNKS_AT_ONCE
from medpatch.model.spec import InputSpec
from medpatch.model.unimodal import Unimodal

SIZE_PX, CHUNK, VOCABULARY = 384, 512, 28_996
BODY = {
    Modality.CXR: {
        "model_type": "vit",
        "hidden_size": 384,
        "num_hidden_layers": 12,
        "num_attention_heads": 6,
        "intermediate_size": 1536,
        "image_size": SIZE_PX,
        "patch_size": 16,
    },
    Modality.RR: {"model_type": "bert", "vocab_size": VOCABULARY, "max_position_embeddings": CHUNK},
}
NAME = {Modality.CXR: "ViT-S/16, images", Modality.RR: "BERT-base, chunks"}
DEFAULTS = {"cpu": (4, 2, 3), "cuda": (STAYS_AT_ONCE, 4 * CHUNKS_AT_ONCE, 20)}
SQUARE = {"cpu": 2048, "cuda": 8192}
ATTENTION = re.compile(r"aten::_scaled_dot_product_(?:attention_)?(flash|efficient|cudnn|math)")


@dataclass(frozen=True)
class Case:
    """One row of the table.

    Attributes:
        modality: whose encoder.
        precision: type of the products.
        way: eager or compiled.
        run: encodes the whole batch once.
        first_seconds: the first call, which compiles where there is something to compile.
        attention: which kernels of scaled_dot_product_attention ran.
        difference: largest of a token from those of the eager pass in float32.
    """

    modality: Modality
    precision: Precision
    way: str
    run: Callable[[], Tokens]
    first_seconds: float
    attention: str
    difference: float


def make_inputs(modality: Modality, items: int) -> Inputs:
    """One random image, or one full chunk, per stay."""
    g = torch.Generator().manual_seed(0)
    if modality is Modality.CXR:
        row = torch.randint(0, 256, (items, SIZE_PX, SIZE_PX), generator=g, dtype=torch.uint8)
    else:
        row = torch.randint(1000, VOCABULARY, (items, CHUNK), generator=g)
    ids = torch.arange(items)
    return Inputs(modality, Ragged(row, torch.arange(items + 1)), ids, ids, torch.zeros(items, 1))


def flops_of(network: Unimodal, device: torch.device) -> int:
    """Of one item; by the plain kernel of attention, as the counter does not know every fused one."""
    inputs = make_inputs(network.modality, 1)
    encode = encoder_of(network, inputs, device=device, config=TrainConfig())
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        encode(inputs.stay_id)
    return counter.get_total_flops()


def attention_of(run: Callable[[], object]) -> str:
    """Names of the kernels of attention that ran.

    Raises:
        SystemExit: one of them is not fused.
    """
    with profile(activities=[ProfilerActivity.CPU]) as seen:
        run()
    names = {found[1] for event in seen.key_averages() if (found := ATTENTION.match(event.key))}
    if not names or "math" in names:
        raise SystemExit(f"attention is not fused: {sorted(names) or 'no kernel of it seen'}")
    return ", ".join(sorted(names))


def make_cases(network: Unimodal, items: int, device: torch.device) -> list[Case]:
    """Every type and way of one encoder, each run until nothing is left to compile."""
    inputs, cases = make_inputs(network.modality, items), []
    other = copy.deepcopy(network)
    with compiled(other, is_wanted=True):
        exact: Tensor | None = None
        for precision, (way, one) in product(Precision, {"eager": network, "compiled": other}.items()):
            encode = encoder_of(one, inputs, device=device, config=TrainConfig(precision=precision))

            def run(encode: Callable[[Tensor], Tokens] = encode) -> Tokens:
                return done(encode(inputs.stay_id), device)

            first = timed(run)
            found = run().value.cpu()
            exact = found if exact is None else exact
            difference = (found - exact).abs().max().item()
            cases.append(Case(network.modality, precision, way, run, first, attention_of(run), difference))
    return cases


def done(result: object, device: torch.device) -> object:
    """The result, once the device has finished it."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return result


def main(items: dict[Modality, int], repeats: int, device: torch.device) -> None:
    """Print the table."""
    spec = InputSpec((Modality.CXR, Modality.RR), ("label",), (0.2,), SIZE_PX, VOCABULARY, CHUNK)
    torch.compiler.config.force_disable_caches = True  # a kernel found on disk would make compiling look cheap
    with deterministic(0), torch.no_grad():
        networks = [
            build_unimodal(ModelConfig(), spec, modality=m, backbone=body).to(device).eval() for m, body in BODY.items()
        ]
        flops = {n.modality: flops_of(n, device) for n in networks}
        cases = [case for n in networks for case in make_cases(n, items[n.modality], device)]
        side = SQUARE[device.type]
        square = {p: torch.randn(side, side, device=device, dtype=getattr(torch, p)) for p in Precision}
        products = {p: (lambda a=a: done(a @ a, device)) for p, a in square.items()}
        for one in products.values():
            one()
        seconds: dict[object, list[float]] = {key: [] for key in (*range(len(cases)), *products)}
        for _ in range(repeats):
            for place, case in enumerate(cases):
                seconds[place].append(timed(case.run))
            for precision, one in products.items():
                seconds[precision].append(timed(one))
    cpu = f"{platform.processor() or platform.machine()} with {torch.backends.cpu.get_cpu_capability()}"
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else cpu
    peak = {p: 2 * side**3 / median(seconds[p]) for p in Precision}
    print(f"{name}, torch {torch.__version__}, {torch.get_num_threads()} threads, medians of {repeats} in turn")
    print(f"attn_implementation {', '.join(n.encoder.backbone.config._attn_implementation for n in networks)}")
    print(f"matmul of {side}: " + ", ".join(f"{p} {peak[p] / 1e12:.3g} TFLOP/s" for p in Precision))
    print("GFLOP per item: " + ", ".join(f"{NAME[m]} {count / 1e9:.1f}" for m, count in flops.items()) + "\n")
    print("| encoder | at once | type | way | items/s | TFLOP/s | of matmul | first call, s | attention | difference |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    for place, case in enumerate(cases):
        count = items[case.modality]
        rate = count / median(seconds[place])
        speed = rate * flops[case.modality]
        print(
            f"| {NAME[case.modality]} | {count} | {case.precision} | {case.way} | {rate:.3g} | {speed / 1e12:.3g} "
            f"| {speed / peak[case.precision]:.0%} | {case.first_seconds:.1f} | {case.attention} "
            f"| {case.difference:.1e} |"
        )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    for option in ("images", "chunks", "repeats"):
        parser.add_argument(f"--{option}", type=int)
    parser.add_argument("--device", type=Device, choices=list(Device), default=Device.AUTO)
    chosen = parser.parse_args()
    place = choose_device(chosen.device)
    defaults = DEFAULTS[place.type]
    given = (chosen.images, chosen.chunks, chosen.repeats)
    images, chunks, times = (one or default for one, default in zip(given, defaults, strict=True))
    main({Modality.CXR: images, Modality.RR: chunks}, times, place)

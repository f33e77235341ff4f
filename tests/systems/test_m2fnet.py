"""M2FNet: keys decide where to look and nothing else; the extractor."""

from dataclasses import replace

import pytest
import torch

from merc.errors import InputError
from merc.nn.attention import Attention, EncoderLayer
from merc.nn.triplet import Extractor, ResNet18
from merc.systems import SYSTEMS
from merc.systems.m2fnet import FusionModule, M2FNet, M2FNetOptions, Stream

from . import planted_stores
from .contract import CLASSES, SystemContract, made_batch, with_vectors
from .planted import World, accuracy, built, dialogues, trained

SMALL = M2FNetOptions(width=32, heads=2, fusions=2, dropout=0.1)


class TestM2FNet(SystemContract):
    system = M2FNet
    options = SMALL
    steps = 100


@pytest.fixture
def fusion():
    torch.manual_seed(0)
    module = FusionModule(["voice"], M2FNetOptions(width=8, heads=2)).eval()
    return module, torch.randn(2, 6, 8), torch.ones(2, 6, dtype=torch.bool)


def test_equal_keys_leave_the_content_of_the_voice_without_effect(fusion):
    module, text, mask = fusion
    one, two = (torch.randn(2, 1, 8).expand(2, 6, 8) for _ in range(2))
    torch.testing.assert_close(module(text, {"voice": one}, mask), module(text, {"voice": two}, mask))
    shares = module.attend["voice"].weights(text, one, keep=mask)
    torch.testing.assert_close(shares, torch.full_like(shares, 1 / 6))


def test_permuting_the_keys_in_time_changes_the_output(fusion):
    module, text, mask = fusion
    voice = torch.randn(2, 6, 8)
    assert not torch.allclose(module(text, {"voice": voice}, mask), module(text, {"voice": voice.flip(1)}, mask))


def test_keys_have_no_route_but_the_weights(fusion):
    """Where the values are equal at all turns, the weights cannot matter, and so the keys cannot."""
    module, _, mask = fusion
    text = torch.randn(2, 1, 8).expand(2, 6, 8)
    one, two = (module(text, {"voice": torch.randn(2, 6, 8)}, mask) for _ in range(2))
    torch.testing.assert_close(one, two)


def test_query_and_value_are_text_and_the_key_is_voice(fusion):
    module, text, mask = fusion
    voice, attend = torch.randn(2, 6, 8), module.attend["voice"]
    wanted = module.norm(text + module.join(attend(text, voice, text, keep=mask)))
    torch.testing.assert_close(module(text, {"voice": voice}, mask), wanted)
    assert not torch.allclose(attend(text, voice, text, keep=mask), attend(voice, voice, text, keep=mask), atol=1e-3)


def test_a_fusion_module_adds_to_what_it_was_given(fusion):
    module, text, mask = fusion
    with torch.no_grad():
        for parameter in module.join.parameters():
            parameter.zero_()
    torch.testing.assert_close(module(text, {"voice": torch.randn(2, 6, 8)}, mask), module.norm(text))


def test_each_fusion_module_reads_what_the_one_before_it_gave():
    torch.manual_seed(0)
    system, seen = M2FNet({"text": 6, "voice": 4}, CLASSES, SMALL).eval(), []
    for module in system.fusions:
        module.register_forward_hook(lambda _, args, out: seen.append((args[0], out)))
    output = system(made_batch({"text": 6, "voice": 4}, (5,)))
    assert len(seen) == SMALL.fusions and torch.equal(seen[0][0], output.representations["text"])
    assert torch.equal(seen[1][0], seen[0][1]) and torch.equal(output.extras["fused"], seen[1][1])


@pytest.mark.parametrize(("protocol", "layers"), [("iemocap6", 5), ("meld-7", 1)])
def test_the_source_s_depths_give_their_number_of_parameters(protocol, layers):
    """N context layers a stream, five fusion modules: N is 5 for IEMOCAP, 1 for MELD; widths are ours."""
    changes = M2FNet.description.by_protocol.get(protocol)
    system = M2FNet({"text": 768, "voice": 300, "face": 300}, 7, M2FNetOptions(**(changes.options if changes else {})))
    h, widths = system.options.width, (768, 300, 300)
    norm, dense = 2 * h, h * h + h
    layer = sum(one.numel() for one in EncoderLayer(h, 4, dropout=0.0).parameters())
    attention = sum(one.numel() for one in Attention(h, 4, dropout=0.0).parameters())
    streams = sum(wide * h + h + norm + layers * layer + norm for wide in widths)
    fusions = 5 * (2 * attention + 2 * h * h + h + norm)
    assert sum(one.numel() for one in system.parameters()) == streams + fusions + 3 * h * h + h + h * 7 + 7
    assert 4 * dense - 3 * h <= attention <= 4 * dense and layer > attention


def test_voice_and_face_themselves_are_read_by_the_classifier():
    torch.manual_seed(0)
    system, batch = (
        M2FNet({"text": 6, "voice": 4, "face": 3}, CLASSES, SMALL).eval(),
        made_batch({"text": 6, "voice": 4, "face": 3}, (5,)),
    )
    system(batch).loss.backward()
    for part in system.label[0].weight.grad.chunk(3, 1):
        assert part.abs().sum() > 0


def test_what_a_stream_is_given_goes_around_its_context_layers():
    """F = Tr(P x) + P x: where the layers say nothing, P x is left."""
    torch.manual_seed(0)
    stream, mask = Stream(4, M2FNetOptions(width=8, heads=2, dropout=0.0)).eval(), torch.ones(1, 3, dtype=torch.bool)
    for parameter in stream.layers.parameters():
        parameter.data.zero_()
    stream.positions = False
    values = torch.randn(1, 3, 4)
    projected = stream.project(values)
    torch.testing.assert_close(stream(values, mask, mask), stream.norm(2 * projected))

    class Silent(torch.nn.Module):
        def forward(self, values, *, keep):
            return torch.zeros_like(values)

    stream.layers = torch.nn.ModuleList([Silent()])
    torch.testing.assert_close(stream(values, mask, mask), stream.norm(projected))
    assert stream(values, mask, mask).abs().sum() > 1


def test_dialogue_context_reaches_every_turn_and_no_other_dialogue():
    system = M2FNet({"text": 6, "voice": 4}, CLASSES, SMALL).eval()
    batch = made_batch({"text": 6, "voice": 4}, (5, 4))
    text, _ = batch.vectors("text")
    text[0, 4] += 3
    changed = with_vectors(batch, text=text)
    differs = (system(batch).logits - system(changed).logits).abs().sum(-1) > 1e-6
    assert differs[0].all() and not differs[1].any()


def test_text_is_needed_and_alone_is_enough():
    with pytest.raises(InputError, match="system 'm2fnet' needs text; it reads text, voice, face"):
        M2FNet({"voice": 4}, CLASSES)
    system = M2FNet({"text": 6}, CLASSES, SMALL).eval()
    assert system(made_batch({"text": 6}, (1,))).logits.shape == (1, 1, CLASSES)
    assert not len(system.fusions)


def test_concatenation_is_an_option():
    assert not len(M2FNet({"text": 6, "voice": 4}, CLASSES, replace(SMALL, fusion=False)).fusions)


def test_extractor_sorts_pictures_it_has_not_seen():
    generator = torch.Generator().manual_seed(0)
    shapes = torch.randn(3, 1, 16, 16, generator=generator)

    def pictures(count):
        labels = torch.arange(count) % 3
        return shapes[labels] + torch.randn(count, 1, 16, 16, generator=generator) * 3, labels

    def order(model):
        values, labels = held
        with torch.no_grad():
            vectors = torch.nn.functional.normalize(model.eval()(values), dim=-1)
        same = labels[:, None] == labels[None]
        distances = torch.cdist(vectors, vectors)
        return (distances[~same].mean() / distances[same].mean()).item()

    train, held = pictures(60), pictures(30)
    torch.manual_seed(0)
    model = Extractor(ResNet18(1, widths=(8, 16)), size=12)
    before = order(model)
    steps = torch.optim.Adam(model.parameters(), 3e-3)
    model.train()
    for _ in range(25):
        steps.zero_grad()
        model.loss(*train, generator=generator).backward()
        steps.step()
    assert order(model) > 1.25 * before


def test_extractor_says_what_its_backbone_lacks():
    with pytest.raises(InputError, match="the backbone has no attribute 'width'"):
        Extractor(torch.nn.Identity())


def test_reads_what_stood_earlier_in_the_dialogue():
    """The evidence of a label stands one turn before it: concatenation cannot know, context can."""
    world = World(lag=1, noise=0.5, widths={"text": 12, "voice": 7}, turns=(8, 8))
    train, test = dialogues(world, 64, seed=1), dialogues(world, 32, seed=2)
    ours = accuracy(trained(built(M2FNet, world, SMALL), train, epochs=40), test)
    plain = accuracy(trained(built(SYSTEMS["concat"], world), train), test)
    assert ours > plain + 0.3


def test_keys_of_voice_beat_concatenation_on_a_planted_corpus(tmp_path):
    """Voice says which turn of text counts, and tells no class from another."""
    planted_stores.wins("m2fnet", tmp_path, margin=0.2)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"layers": 0}, "m2fnet: layers is 0: expected at least 1"),
        ({"width": 30}, "m2fnet: width is 30: expected a multiple of the 4 heads"),
        ({"dropout": 1}, "m2fnet: dropout is 1: expected 0 to below 1"),
    ],
)
def test_bad_options(options, message):
    with pytest.raises(InputError, match=message):
        M2FNetOptions(**options)

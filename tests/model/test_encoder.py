"""Encoders: tokens, summaries, and pretrained folders through the real loading path."""

from pathlib import Path

import pytest
import torch
import transformers

from medpatch.config.error import ConfigError
from medpatch.config.model import EhrKind, EncoderConfig, ModelConfig, Summary
from medpatch.config.name import Modality
from medpatch.model.build import build_unimodal
from medpatch.model.encoder_cxr import CxrEncoder
from medpatch.model.encoder_ehr import EhrEncoder, EhrTransformer
from medpatch.model.encoder_note import NoteEncoder
from medpatch.model.tiny import TinyImage, TinyImageShape, TinyNote, TinyNoteShape
from model.factory import make_config, make_spec


def vit_folder(tmp_path: Path) -> Path:
    config = transformers.ViTConfig(
        hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16, image_size=32, patch_size=8
    )
    transformers.ViTModel(config).save_pretrained(tmp_path / "vit")
    return tmp_path / "vit"


def bert_folder(tmp_path: Path) -> Path:
    config = transformers.BertConfig(
        vocab_size=60,
        hidden_size=24,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        max_position_embeddings=16,
    )
    transformers.BertModel(config).save_pretrained(tmp_path / "bert")
    return tmp_path / "bert"


def config_with(**encoder: object) -> ModelConfig:
    return ModelConfig(encoder=EncoderConfig(width=8, **encoder))


@torch.no_grad()
def test_ehr_tokens_equal_a_packed_lstm():
    torch.manual_seed(0)
    encoder = EhrEncoder(5, 4)
    length = torch.tensor([3, 6, 1])
    value = torch.randn(3, 6, 5)
    tokens = encoder(value, torch.arange(6) < length[:, None])
    packed = torch.nn.utils.rnn.pack_padded_sequence(value, length, batch_first=True, enforce_sorted=False)
    output, (last, _) = encoder.lstm(packed)
    expected, _ = torch.nn.utils.rnn.pad_packed_sequence(output, batch_first=True)
    torch.testing.assert_close(tokens.value, expected)
    torch.testing.assert_close(tokens.pooled, last[0])


@torch.no_grad()
def test_ehr_maximum_over_time_ignores_padding():
    encoder = EhrEncoder(5, 4, summary=Summary.MAX)
    value = torch.randn(1, 4, 5)
    short = encoder(value[:, :2], torch.ones(1, 2, dtype=torch.bool))
    padded = encoder(value, torch.tensor([[True, True, False, False]]))
    torch.testing.assert_close(padded.pooled, short.value.amax(dim=1))


@torch.no_grad()
def test_ehr_dropout_hides_whole_columns_in_training_only():
    torch.manual_seed(0)
    encoder = EhrEncoder(6, 4, dropout=0.5)
    value, mask, seen = torch.randn(8, 5, 6), torch.ones(8, 5, dtype=torch.bool), []
    encoder.lstm.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    trained = encoder.train()(value, mask).value
    shown = encoder.eval()(value, mask).value
    hidden = (seen[0] == 0).float().mean(dim=1)  # (B, C): of each column the share of hidden hours
    assert set(hidden.flatten().tolist()) == {0.0, 1.0}
    torch.testing.assert_close(seen[0], 2 * value * (1 - hidden).unsqueeze(1))
    torch.testing.assert_close(seen[1], value)
    assert (trained == 0).any()
    assert not (shown == 0).any()


def test_tiny_image_of_an_odd_size_is_refused():
    with pytest.raises(ConfigError, match="which 48 does not allow"):
        TinyImage(TinyImageShape(48))


def test_ehr_weights_start_as_the_paper_says():
    lstm = EhrEncoder(5, 4).lstm
    for gate in (lstm.weight_hh_l0.T @ lstm.weight_hh_l0,):
        torch.testing.assert_close(gate, torch.eye(4), atol=1e-5, rtol=0)
    assert lstm.bias_ih_l0.eq(0).all()
    assert lstm.bias_hh_l0.eq(0).all()


@torch.no_grad()
def test_image_encoder_reads_a_local_folder_and_interpolates_positions(tmp_path):
    network = build_unimodal(config_with(cxr_name=str(vit_folder(tmp_path))), make_spec(), modality=Modality.CXR)
    tokens = network.encoder(torch.zeros(2, 48, 48, dtype=torch.uint8), torch.ones(2, dtype=torch.bool))
    assert tokens.value.shape == (2, 1 + 36, 16)  # trained at 32 px = 16 patches, used at 48 px = 36
    torch.testing.assert_close(tokens.pooled, tokens.value[:, 0])
    again = build_unimodal(config_with(cxr_name=str(tmp_path / "vit")), make_spec(), modality=Modality.CXR)
    for name, weight in network.encoder.state_dict().items():
        torch.testing.assert_close(weight, again.encoder.state_dict()[name])


@torch.no_grad()
def test_image_is_normalised_like_imagenet():
    seen = []

    class Body(torch.nn.Module):
        def forward(self, pixel_values, interpolate_pos_encoding):
            seen.append(pixel_values)
            return transformers.modeling_outputs.BaseModelOutput(last_hidden_state=torch.zeros(1, 2, 3))

    CxrEncoder(Body(), 3)(torch.full((1, 1, 1), 255, dtype=torch.uint8), torch.tensor([True]))
    expected = torch.tensor([(1 - 0.485) / 0.229, (1 - 0.456) / 0.224, (1 - 0.406) / 0.225])
    torch.testing.assert_close(seen[0].flatten(), expected)


@torch.no_grad()
def test_note_encoder_reads_a_local_folder_and_masks_padding(tmp_path):
    network = build_unimodal(config_with(note_name=str(bert_folder(tmp_path))), make_spec(), modality=Modality.RR)
    network.eval()
    ids = torch.randint(0, 50, (1, 2, 8))
    mask = torch.arange(8) < torch.tensor([8, 3])[None, :, None]
    tokens = network.encoder(ids, mask)
    alone = network.encoder.backbone(input_ids=ids[:, 1, :3]).last_hidden_state
    torch.testing.assert_close(tokens.value[:, 8:11], alone, atol=1e-5, rtol=1e-5)
    assert tokens.token_mask.sum() == 11
    torch.testing.assert_close(tokens.pooled, tokens.value[tokens.token_mask].mean(dim=0, keepdim=True))


def test_encoder_that_is_nowhere_is_named(tmp_path):
    with pytest.raises(ConfigError, match="cannot load '.*absent' as a hub name or a local folder"):
        build_unimodal(config_with(cxr_name=str(tmp_path / "absent")), make_spec(), modality=Modality.CXR)


def test_chunks_longer_than_the_note_encoder_reads_are_refused(tmp_path):
    spec = make_spec().__class__(**{**make_spec().__dict__, "note_chunk_tokens": 512})
    with pytest.raises(ConfigError, match="512 ids per chunk, but the note encoder reads at most 16"):
        build_unimodal(config_with(note_name=str(bert_folder(tmp_path))), spec, modality=Modality.DN)


def test_tokenizer_with_more_ids_than_the_encoder_is_refused(tmp_path):
    spec = make_spec().__class__(**{**make_spec().__dict__, "vocabulary_size": 61})
    with pytest.raises(ConfigError, match="61 ids, the encoder knows 60"):
        build_unimodal(config_with(note_name=str(bert_folder(tmp_path))), spec, modality=Modality.DN)


@torch.no_grad()
def test_many_chunks_give_the_tokens_that_few_give():
    torch.manual_seed(0)
    network = build_unimodal(make_config(), make_spec(), modality=Modality.RR).eval()
    ids = torch.randint(0, 50, (90, 2, 8))
    mask = torch.arange(8) < torch.randint(1, 9, (90, 2, 1))
    whole = network.encoder(ids, mask)
    part = network.encoder(ids[40:42], mask[40:42])
    torch.testing.assert_close(whole.value[40:42], part.value, atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_published_notes_average_chunks_position_by_position():
    encoder = build_unimodal(
        make_config(compat="published", score="confidence", high_share=None), make_spec(), modality=Modality.RR
    ).encoder.eval()
    assert isinstance(encoder, NoteEncoder)
    ids = torch.randint(0, 50, (1, 2, 8))
    tokens = encoder(ids, torch.ones(1, 2, 8, dtype=torch.bool))
    each = encoder.backbone(input_ids=ids[0], attention_mask=torch.ones_like(ids[0])).last_hidden_state
    torch.testing.assert_close(tokens.value[0], each.mean(dim=0), atol=1e-5, rtol=1e-5)


def test_largest_word_stands_for_a_note_where_that_is_asked_for() -> None:
    encoder = NoteEncoder(TinyNote(TinyNoteShape(20, 8)).eval(), TinyNoteShape(20, 8).hidden_size, summary=Summary.MAX)
    value = torch.randint(4, 20, (2, 1, 8))
    mask = torch.ones(2, 1, 8, dtype=torch.bool)
    mask[1, 0, 3:] = False
    tokens = encoder(value, mask)
    assert torch.equal(tokens.pooled[0], tokens.value[0].amax(dim=0))
    assert torch.equal(tokens.pooled[1], tokens.value[1, :3].amax(dim=0))


@pytest.mark.parametrize(("asked", "found"), [(None, 0.1), (0.0, 0.0), (0.5, 0.5)])
def test_ehr_transformer_has_the_dropout_that_is_configured(asked, found) -> None:
    config = config_with(ehr_kind=EhrKind.TRANSFORMER, ehr_width=16, ehr_layers=1, ehr_dropout=asked)
    encoder = build_unimodal(config, make_spec(), modality=Modality.EHR).encoder
    assert {m.p for m in encoder.modules() if isinstance(m, torch.nn.Dropout)} == {found}


def test_ehr_transformer_is_built_by_name_and_sees_every_hour_but_padding() -> None:
    torch.manual_seed(0)
    config = config_with(ehr_kind=EhrKind.TRANSFORMER, ehr_width=16, ehr_layers=1)
    encoder = build_unimodal(config, make_spec(), modality=Modality.EHR).encoder.eval()
    assert isinstance(encoder, EhrTransformer)
    value, mask = torch.randn(1, 5, 76), torch.tensor([[True, True, True, False, False]])
    rubbish = value.clone()
    rubbish[0, 3:] = float("nan")
    tokens = encoder(value, mask)
    torch.testing.assert_close(encoder(rubbish, mask).value, tokens.value)
    torch.testing.assert_close(encoder(value[:, :3], mask[:, :3]).value, tokens.value[:, :3], atol=1e-5, rtol=1e-5)
    assert tokens.value[0, 3:].eq(0).all()
    later = value.clone()
    later[0, 2] += 1.0
    assert (encoder(later, mask).value[0, 0] - tokens.value[0, 0]).abs().max() > 1e-4  # the first hour sees the third


def test_ehr_transformer_tells_the_order_of_hours() -> None:
    torch.manual_seed(0)
    encoder = EhrTransformer(3, 16, summary=Summary.MEAN).eval()
    value, mask = torch.randn(1, 4, 3), torch.ones(1, 4, dtype=torch.bool)
    assert (encoder(value, mask).pooled - encoder(value.flip(1), mask).pooled).abs().max() > 1e-4

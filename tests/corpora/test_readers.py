"""Each reader against a small made-up tree in the official layout, and against the real corpus where it is there."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from merc.corpora import CORPORA, READERS, Item, Source, ckplus, contents, goemotions, isear, rafdb, savee, semeval2018
from merc.errors import InputError, UnknownName
from merc.labels import EKMAN7


def write(path: Path, text: str, encoding: str = "utf-8") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding=encoding)
    return path


def touch(root: Path, *names: str) -> Path:
    for name in names:
        write(root / name, "")
    return root


def test_goemotions_keeps_comments_whose_labels_share_a_group(tmp_path: Path) -> None:
    write(tmp_path / "labels.txt", "anger\nannoyance\njoy\nneutral\n")
    write(tmp_path / "train.tsv", "Stop that\t0,1\ta1\nFine\u2028by me\t2,3\ta2\n")
    write(tmp_path / "dev.tsv", "Well.\t3\tb1\r\n")
    write(tmp_path / "test.tsv", "")
    items = goemotions.read(tmp_path)
    assert [(i.id, i.split, i.labels) for i in items] == [
        ("a1", "train", ("anger", "annoyance")),
        ("a2", "train", ("joy", "neutral")),
        ("b1", "dev", ("neutral",)),
    ]
    assert [goemotions.CORPUS.ekman7(i) for i in items] == ["anger", None, "neutral"]
    assert items[1].text == "Fine\u2028by me"


def test_goemotions_names_the_line_that_is_wrong(tmp_path: Path) -> None:
    for name in ("dev.tsv", "test.tsv"):
        write(tmp_path / name, "")
    write(tmp_path / "labels.txt", "anger\n")
    write(tmp_path / "train.tsv", "fine\t0\ta\nbad\t7\tb\n")
    with pytest.raises(InputError, match=r"train\.tsv, line 2: 'bad.*expected text, label numbers below 1 and id"):
        goemotions.read(tmp_path)


def test_isear_marks_rows_without_an_answer(tmp_path: Path) -> None:
    rows = "ID|Field1|SIT|MYKEY||\n11|joy|We met á again.|110||\n11|guilt|NO RESPONSE.|111||\n12|fear|[ Never.]|112||\n"
    write(tmp_path / "isear_full_pipe.csv", rows, "latin-1")
    items = isear.read(tmp_path)
    assert [(i.text, i.defect) for i in items] == [
        ("We met again.", None),
        ("NO RESPONSE.", "no answer"),
        ("[ Never.]", "no answer"),
    ]
    assert [isear.CORPUS.ekman7(i) for i in items] == ["joy", None, None]


def test_isear_names_missing_columns(tmp_path: Path) -> None:
    write(tmp_path / "isear_full_pipe.csv", "ID|Field1\n")
    with pytest.raises(InputError, match="no column SIT, MYKEY; expected Field1, SIT, MYKEY, ID"):
        isear.read(tmp_path)


def test_carer(tmp_path: Path) -> None:
    write(tmp_path / "train.txt", "i feel; well;love\n")
    write(tmp_path / "val.txt", "\n")
    write(tmp_path / "test.txt", "i feel odd;surprise\n")
    items = READERS["carer"](tmp_path)
    assert [(i.id, i.text, CORPORA["carer"].ekman7(i)) for i in items] == [
        ("train-1", "i feel; well", "joy"),
        ("test-1", "i feel odd", "surprise"),
    ]
    write(tmp_path / "val.txt", "no label here\n")
    with pytest.raises(InputError, match=r"val\.txt, line 1: 'no label here'; expected text;label"):
        READERS["carer"](tmp_path)


def test_crowdflower(tmp_path: Path) -> None:
    write(tmp_path / "text_emotion.csv", 'tweet_id,sentiment,author,content\n1,hate,a,"oh, no"\n2,worry,b,hm\n')
    items = READERS["crowdflower"](tmp_path)
    assert [(i.text, i.speaker, CORPORA["crowdflower"].ekman7(i)) for i in items] == [
        ("oh, no", "a", "anger"),
        ("hm", "b", None),
    ]
    write(tmp_path / "text_emotion.csv", "tweet_id,sentiment,author,content\n1,angst,a,x\n")
    with pytest.raises(InputError, match="row 2: label 'angst'; expected one of anger, boredom"):
        READERS["crowdflower"](tmp_path)


def semeval(root: Path) -> Path:
    for emotion in ("anger", "fear", "joy", "sadness"):
        for end in ("train", "dev", "test-gold"):
            head = "ID\tTweet\tAffect Dimension\tIntensity Score\n"
            rows = f"1\tgrr\t{emotion}\t0.500\n2\tmeh\t{emotion}\t0.499\n3-mystery\tx\t{emotion}\t0.9\n"
            write(root / f"EI-reg/EI-reg-En-{emotion}-{end}.txt", head + rows)
    names = list(semeval2018.CORPUS.to_ekman7)
    head = "\t".join(["ID", "Tweet", *names]) + "\n"
    rows = {"joyful": ["joy", "love"], "mixed": ["joy", "fear"], "nothing": []}
    lines = ["\t".join([text, text, *("1" if n in on else "0" for n in names)]) for text, on in rows.items()]
    for end in ("train", "dev", "test-gold"):
        write(root / f"E-c/E-c-En-{end}.txt", head + "\n".join(lines) + "\n")
    return root


def test_semeval_threshold_mystery_rows_and_single_classes(tmp_path: Path) -> None:
    corpus = semeval2018.CORPUS
    items = semeval2018.read(semeval(tmp_path))
    assert len(items) == 3 * (4 * 2 + 3)
    assert not any("mystery" in i.id for i in items)
    train = {i.id: corpus.ekman7(i) for i in items if i.split == "train"}
    assert train["EI-reg/anger/1"] == "anger"
    assert train["EI-reg/anger/2"] is None
    assert [train[f"E-c/{name}"] for name in ("joyful", "mixed", "nothing")] == ["joy", None, None]
    lower = semeval2018.read(tmp_path, threshold=0.4)
    assert {i.id: i.labels for i in lower}["EI-reg/anger/2"] == ("anger",)
    with pytest.raises(InputError, match=r"threshold 2: expected an intensity from 0 to 1"):
        semeval2018.read(tmp_path, threshold=2)


def test_semeval_refuses_files_without_gold_labels(tmp_path: Path) -> None:
    semeval(tmp_path)
    write(tmp_path / "EI-reg/EI-reg-En-joy-test-gold.txt", "h\th\th\th\n9\tx\tjoy\tNONE\n")
    with pytest.raises(InputError, match="EI-reg joy, tweet 9: intensity 'NONE'; expected a number, as in a gold file"):
        semeval2018.read(tmp_path)


def test_meld(tmp_path: Path) -> None:
    head = "Sr No.,Utterance,Speaker,Emotion,Sentiment,Dialogue_ID,Utterance_ID\n"
    for split in ("train", "dev", "test"):
        write(tmp_path / f"{split}_sent_emo.csv", head + '1,"Oh, hi",Ross,joy,positive,4,2\n')
    items = READERS["meld"](tmp_path)
    assert [i.id for i in items] == ["train/dia4_utt2", "dev/dia4_utt2", "test/dia4_utt2"]
    assert (items[1].group, items[1].speaker, items[1].text) == ("dev/dia4", "Ross", "Oh, hi")
    write(tmp_path / "dev_sent_emo.csv", "Utterance,Speaker\n")
    with pytest.raises(InputError, match="no column Emotion, Dialogue_ID, Utterance_ID"):
        READERS["meld"](tmp_path)


def test_ravdess_leaves_out_song(tmp_path: Path) -> None:
    touch(tmp_path, "Actor_12/03-01-02-01-02-01-12.wav", "Actor_12/03-02-05-01-02-01-12.wav")
    (item,) = READERS["ravdess"](tmp_path)
    assert (item.labels, item.speaker, CORPORA["ravdess"].ekman7(item)) == (("calm",), "ravdess-12", "neutral")
    touch(tmp_path, "03-01-09-01-02-01-12.wav")
    with pytest.raises(InputError, match=r"03-01-09-01-02-01-12\.wav in .*expected a name such as"):
        READERS["ravdess"](tmp_path)


def test_tess_reads_the_misnamed_file(tmp_path: Path) -> None:
    touch(tmp_path, "OAF_Sad/OA_bite_neutral.wav", "YAF_gap_ps.wav")
    items = READERS["tess"](tmp_path)
    assert [(i.speaker, CORPORA["tess"].ekman7(i)) for i in items] == [
        ("tess-OAF", "neutral"),
        ("tess-YAF", "surprise"),
    ]
    touch(tmp_path, "OAF_gap_bored.wav")
    with pytest.raises(InputError, match="OAF_gap_bored.wav in .*emotions angry, disgust"):
        READERS["tess"](tmp_path)


def test_savee_both_layouts(tmp_path: Path) -> None:
    touch(tmp_path, "AudioData/DC/sa01.wav", "flat/KL_su15.opus")
    items = READERS["savee"](tmp_path)
    assert [(i.id, i.speaker, i.labels) for i in items] == [
        ("DC_sa01", "savee-DC", ("sadness",)),
        ("KL_su15", "savee-KL", ("surprise",)),
    ]
    touch(tmp_path, "flat/XX_a01.wav")
    with pytest.raises(InputError, match="XX_a01.wav in .*expected DC/a01 or DC_a01"):
        savee.read(tmp_path)


def test_rafdb_archive_is_read_in_place(tmp_path: Path) -> None:
    archive = tmp_path / "rafdb.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("train_labels.csv", "image,label\ntrain_00001_aligned.jpg,4\n")
        file.writestr("test_labels.csv", "image,label\ntest_0001_aligned.jpg,7\n")
        file.writestr("aligned/train/train_00001_aligned.jpg", b"one")
        file.writestr("aligned/test/test_0001_aligned.jpg", b"two")
    items = rafdb.read(archive)
    assert [(i.id, i.split, rafdb.CORPUS.ekman7(i)) for i in items] == [
        ("train_00001", "train", "joy"),
        ("test_0001", "test", "neutral"),
    ]
    assert list(contents(items)) == [b"one", b"two"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["rafdb.zip"]


def test_rafdb_official_folder_and_its_errors(tmp_path: Path) -> None:
    write(tmp_path / "EmoLabel/list_patition_label.txt", "train_00001.jpg 2\n")
    picture = write(tmp_path / "Image/aligned/train_00001_aligned.jpg", "x")
    (item,) = rafdb.read(tmp_path)
    assert (item.labels, item.split, item.source) == (("fear",), "train", Source(picture))
    write(tmp_path / "EmoLabel/list_patition_label.txt", "train_00002.jpg 2\n")
    with pytest.raises(InputError, match="lists 'train_00002.jpg', but .*train_00002_aligned.jpg does not exist"):
        rafdb.read(tmp_path)
    write(tmp_path / "broken.zip", "no archive")
    with pytest.raises(InputError, match="broken.zip is not a zip archive"):
        rafdb.read(tmp_path / "broken.zip")


def test_ckplus_subjects_and_sequences(tmp_path: Path) -> None:
    for label in ckplus.CORPUS.labels:
        (tmp_path / label).mkdir()
    touch(tmp_path, "happy/S010_004_00000017.png", "contempt/S139_002_00000013.png")
    contempt, happy = ckplus.read(tmp_path)
    assert (happy.speaker, happy.group, ckplus.CORPUS.ekman7(happy)) == ("S010", "S010_004", "joy")
    assert ckplus.CORPUS.ekman7(contempt) is None
    touch(tmp_path, "happy/me.png")
    with pytest.raises(InputError, match="me.png: expected a name such as S010_004_00000017.png"):
        ckplus.read(tmp_path)


@pytest.mark.parametrize("name", sorted(CORPORA))
def test_a_missing_corpus_is_named_with_its_source(name: str, tmp_path: Path) -> None:
    root = tmp_path / Path(CORPORA[name].folder).name
    if root.suffix != ".zip":
        root.mkdir()
    with pytest.raises(InputError) as error:
        READERS[name](root)
    assert f"corpus '{name}'" in str(error.value)
    assert CORPORA[name].source in str(error.value)
    assert str(root) in str(error.value)


def test_missing_files_are_all_named_and_present_ones_are_not(tmp_path: Path) -> None:
    touch(tmp_path, "dev.tsv", "labels.txt")
    with pytest.raises(InputError) as error:
        goemotions.read(tmp_path)
    assert "train.tsv" in str(error.value)
    assert "test.tsv" in str(error.value)
    assert "dev.tsv" not in str(error.value)


@pytest.mark.parametrize("name", sorted(CORPORA))
def test_descriptions_are_complete(name: str) -> None:
    corpus = CORPORA[name]
    assert corpus.name == name
    assert all(
        (corpus.title, corpus.source.startswith("http"), corpus.licence, corpus.why, corpus.defects, corpus.splits)
    )
    assert set(corpus.to_ekman7.values()) <= {*EKMAN7, None}
    assert corpus.modality in {"text", "voice", "face", "conversation"}
    assert set(corpus.counts) >= set(corpus.splits)


def test_unknown_corpus() -> None:
    with pytest.raises(UnknownName, match="unknown corpus 'meldd': did you mean 'meld'"):
        READERS["meldd"]


def test_contents_say_what_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="item 'x' has no file"):
        list(contents([Item("x", ())]))
    with pytest.raises(InputError, match=r"cannot read .*gone\.wav"):
        list(contents([Item("x", (), source=Source(tmp_path / "gone.wav"))]))

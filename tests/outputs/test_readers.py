"""Files as other programs write them, and what is said of files that are wrong."""

from __future__ import annotations

import math

import pytest

from sonoscope.errors import UsageError
from sonoscope.outputs import UnreadableTable


def rows(found) -> list[tuple]:
    return [(r.file, e.start_s, e.end_s, e.label) for r in found for e in r.events]


# --- Raven ---

RAVEN = (
    "Selection\tView\tChannel\tBegin Time (s)\tEnd Time (s)\tLow Freq (Hz)\tHigh Freq (Hz)\tBegin File\t"
    "File Offset (s)\tSpecies\tAnnotation\r\n"
    "1\tWaveform 1\t1\t5.5\t6.0\t\t\ta.wav\t5.5\tRobin\tsong\r\n"
    "1\tSpectrogram 1\t1\t5.5\t6.0\t1000\t3000.5\ta.wav\t5.5\tRobin\tsong\r\n"
    "2\tSpectrogram 1\t2\t65\t66.25\t0\t0\tb.wav\t5\tWren\r\n"
)


def test_raven_of_a_file_sequence(read):
    found = read("raven", "\ufeff" + RAVEN)
    assert rows(found) == [("a.wav", 5.5, 6.0, "song"), ("b.wav", 5.0, 6.25, "")]
    assert [e.channel for r in found for e in r.events] == [1, 2]


def test_raven_keeps_one_row_of_a_selection_seen_in_two_views(read):
    found = read("raven", RAVEN, label_column="Species")
    assert rows(found) == [("a.wav", 5.5, 6.0, "Robin"), ("b.wav", 5.0, 6.25, "Wren")]


def test_raven_names_the_recording_after_the_table_if_it_must(read):
    table = "Selection\tBegin Time (s)\tEnd Time (s)\tClass\n1\t0.5\t1\tfrog\n2\t0.5\t1\tfrog\n"
    assert (
        rows(read("raven", table, name="d/pond.wav.selections.txt")) == [("pond.wav", 0.5, 1.0, "frog")] * 2
    )
    assert read("raven", table, name="pond.txt")[0].file == "pond"


def test_raven_paths_become_names_relative_to_their_folder(read):
    head = "Begin Time (s)\tEnd Time (s)\tBegin Path\tLabel\n"
    table = head + "0\t1\tD:\\field\\n1\\a.wav\tx\n0\t1\tD:\\field\\n2\\a.wav\ty\n"
    found = read("raven", table)
    assert [(r.file, r.path) for r in found] == [
        ("n1/a.wav", "D:\\field\\n1\\a.wav"),
        ("n2/a.wav", "D:\\field\\n2\\a.wav"),
    ]
    assert rows(read("raven", head + "0\t1\t/data/n1/a.wav\tx\n")) == [("a.wav", 0.0, 1.0, "x")]


HEAD = "Begin Time (s)\tEnd Time (s)\tLabel\n"


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (
            "Selection\tBegin Time (s)\n",
            r"x\.txt, line 1: no column 'End Time \(s\)'; found 'Selection', 'Begin",
        ),
        ("", r"x\.txt, line 1: no column 'Begin Time \(s\)'; found nothing"),
        (HEAD.replace("Label", "ID") + "0\t1\tx\n", r"no column 'Label' or .*found .*'id'.*--label-column"),
        (
            HEAD + "0.5\t1\tx\n0\t1,5\tx\n",
            r"line 3, column 'End Time \(s\)': is '1,5', not a number. Use a deci",
        ),
        (HEAD + "2\t1\tx\n", r"line 2, column 'End Time \(s\)': ends at 1, before it begins at 2"),
        (HEAD + "-2\t1\tx\n", r"column 'Begin Time \(s\)': is -2, before the recording"),
        (HEAD + "\t1\tx\n", r"column 'Begin Time \(s\)': is empty"),
        (HEAD + "0\t1\tx\ty\n", r"line 2: 4 cells under 3 column names"),
    ],
)
def test_raven_that_is_wrong(table, message, read):
    with pytest.raises(UnreadableTable, match=message):
        read("raven", table)


def test_a_label_column_that_is_not_there(read):
    with pytest.raises(UnreadableTable, match=r"no column 'Taxon'; found .*'species'.*--label-column"):
        read("raven", RAVEN, label_column="Taxon")


# --- Audacity ---


def test_audacity_examples_of_its_manual(read):
    found = read(
        "audacity",
        "1.000000\t1.000000\tThis point was clicked\n\\\t6928.456055\t6928.456055\n"
        "2.000000\t2.500000\tLow undefined\n\\\t-1.000000\t6334.588867\n"
        "3.400000\t6.100000\tregion label 3\n4\t5\n",
        name="song.txt",
    )
    assert rows(found) == [
        ("song", 1.0, 1.0, "This point was clicked"),
        ("song", 2.0, 2.5, "Low undefined"),
        ("song", 3.4, 6.1, "region label 3"),
        ("song", 4.0, 5.0, ""),
    ]
    assert [(e.low_hz, e.high_hz) for e in found[0].events][:3] == [
        (6928.456055, 6928.456055),
        (None, 6334.588867),
        (None, None),
    ]
    assert all(math.isnan(e.score) for e in found[0].events)


def test_audacity_scores(read):
    events = read("audacity", "0\t3\tGreat Tit\t0.8123\n3\t6\tviolin 0.87\n6\t7\ttrack 12\n7\t8\tv1.00\n")[
        0
    ].events
    assert [(e.label, e.score) for e in events[:2]] == [("Great Tit", 0.8123), ("violin", 0.87)]
    assert [e.label for e in events[2:]] == ["track 12", "v1.00"]


@pytest.mark.parametrize(
    ("track", "message"),
    [
        ("\\\t1\t2\n", "line 1: a range without a label before it"),
        ("0 1 violin\n", "line 1, column 'end': is missing. Each line is start, end and label, with tabs"),
        ("0\t1\ta\nx\t1\ta\n", "line 2, column 'start': is 'x', not a number"),
    ],
)
def test_audacity_that_is_wrong(track, message, read):
    with pytest.raises(UnreadableTable, match=message):
        read("audacity", track)


# --- BirdNET, Kaleidoscope ---


def test_birdnet_with_its_own_names_and_additional_columns(read):
    table = (
        "Start (s),End (s),Scientific name,Common name,Confidence,File,lat,lon,week\n"
        "0.0,3.0,Turdus merula,Eurasian Blackbird,0.8123,/data/s1/rec1.wav,48.1,11.5,20\n"
        "3.0,6.0,Parus major,Great Tit,0.4411,/data/s2/rec1.wav,48.1,11.5,20\n"
    )
    found = read("birdnet", table)
    assert rows(found) == [
        ("s1/rec1.wav", 0.0, 3.0, "Turdus merula_Eurasian Blackbird"),
        ("s2/rec1.wav", 3.0, 6.0, "Parus major_Great Tit"),
    ]
    assert found[0].events[0].score == 0.8123
    assert read("birdnet", table, label_column="Common name")[0].events[0].label == "Eurasian Blackbird"


def test_kaleidoscope_id_csv(read):
    found = read(
        "kaleidoscope",
        "INDIR,FOLDER,IN FILE,CHANNEL,OFFSET,DURATION,OUT FILE FS,AUTO ID*,PULSES,MANUAL ID\r\n"
        "D:\\bats,night1,S4U.wav,0,0,5,,PIPPIP,12,\r\n"
        "D:\\bats,night1,S4U.wav,1,2.5,0.25,,PIPPIP,12,PIPPYG\r\n",
    )
    assert rows(found) == [("night1/S4U.wav", 0.0, 5.0, "PIPPIP"), ("night1/S4U.wav", 2.5, 2.75, "PIPPYG")]
    assert [e.channel for e in found[0].events] == [1, 2]
    assert found[0].path == "D:/bats/night1/S4U.wav"


def test_kaleidoscope_distances_are_no_scores(read):
    table = "IN FILE,OFFSET,DURATION,TOP1MATCH,TOP1DIST\na.wav,0,1,x,0.25\na.wav,1,1,x,1.75\n"
    found = read("kaleidoscope", table)
    assert found[0].events[0].score == 0.25
    assert math.isnan(found[0].events[1].score)


# --- DCASE ---


@pytest.mark.parametrize(
    "text",
    [
        "filename\tonset\toffset\tevent_label\na.wav\t0.5\t1\tdog\n",
        "a.wav\t0.5\t1\tdog\n",
        "0.5\t1\tdog\n",
        "event_label\tonset\toffset\tfilename\r\ndog\t0.5\t1\ta.wav\r\n",
    ],
)
def test_dcase_with_and_without_header(text, read):
    assert rows(read("dcase", text, name="a.wav.dcase.tsv")) == [("a.wav", 0.5, 1.0, "dog")]


def test_dcase_recordings_without_events(read):
    found = read("dcase", "filename\tonset\toffset\tevent_label\na.wav\t\t\t\nb.wav\t1\t2\tcat\n")
    assert [(r.file, len(r.events)) for r in found] == [("a.wav", 0), ("b.wav", 1)]


def test_dcase_weak_labels_have_no_times(read):
    with pytest.raises(UnreadableTable, match=r"no column 'onset'.*Only strong labels"):
        read("dcase", "filename\tevent_labels\na.wav\tdog,cat\n")


# --- buzzdetect ---

FRAMES = (
    "start,activation_ins_buzz,activation_mech_plane\n"
    "0.00,-1.7,-2.2\n0.96,-1.1,-2.4\n1.92,-0.4,-3.4\n2.88,-1.2,-1.0\n9.60,0.5,-3\n10.56,-2,-3\n"
)


def test_buzzdetect_activations_above_a_threshold(read):
    found = read("buzzdetect", FRAMES, threshold=-1.2, name="250704_0000_buzzdetect.csv")
    assert rows(found) == [
        ("250704_0000", 0.96, 2.88, "ins_buzz"),  # -1.2 itself is not above
        ("250704_0000", 2.88, 3.84, "mech_plane"),
        ("250704_0000", 9.6, 10.56, "ins_buzz"),  # frames are missing before it
    ]
    assert [e.raw for e in found[0].events] == [-0.4, -1.0, 0.5]


def test_buzzdetect_needs_a_threshold_for_activations(read):
    with pytest.raises(UsageError, match=r"holds activations; say above which they count.*--threshold -1\.2"):
        read("buzzdetect", FRAMES)


def test_buzzdetect_detections_as_numbers_or_words(read):
    for yes, no in (("1", "0"), ("TRUE", "FALSE")):
        text = f"start,detections_ins_buzz\n0,{no}\n1.5,{yes}\n3,{yes}\n"
        assert rows(read("buzzdetect", text, name="x.csv")) == [("x", 1.5, 4.5, "ins_buzz")]
    assert rows(read("buzzdetect", "start,detections_ins_buzz\n0,1\n", name="x.csv")) == [
        ("x", 0.0, 0.96, "ins_buzz")
    ]


def test_buzzdetect_without_its_columns(read):
    with pytest.raises(
        UnreadableTable, match=r"no column that begins with activation_ or detections_; found .*'end'"
    ):
        read("buzzdetect", "start,end\n0,1\n")


# --- JAMS ---


@pytest.mark.filterwarnings("ignore:Passing a schema:DeprecationWarning")
def test_jams_made_by_its_own_package(read, tmp_path):
    jams = pytest.importorskip("jams")
    document = jams.JAMS()
    document.file_metadata.duration = 30.0
    tags = jams.Annotation(namespace="tag_open", duration=30.0)
    tags.append(time=0.0, duration=30.0, value="piano", confidence=0.75)
    onsets = jams.Annotation(namespace="onset", duration=30.0)
    onsets.append(time=1.0, duration=0.0, value=None, confidence=None)
    parts = jams.Annotation(namespace="segment_open", duration=30.0)
    parts.append(time=1.5, duration=2.0, value="solo")
    document.annotations.extend([tags, onsets, parts])
    document.save(str(tmp_path / "song.jams"))
    found = read("jams", (tmp_path / "song.jams").read_text(), name="song.jams")
    assert rows(found) == [("song", 0.0, 30.0, "piano"), ("song", 1.5, 3.5, "solo")]
    assert found[0].duration_s == 30.0
    assert found[0].events[0].score == 0.75


def test_jams_with_observations_as_lists(read):
    text = (
        '{"annotations": [{"namespace": "scaper", "data": {"time": [1], "duration": [2], '
        '"value": [{"label": "siren"}], "confidence": [null]}}], "file_metadata": {"duration": 9}}'
    )
    assert rows(read("jams", text, name="s.jams")) == [("s", 1.0, 3.0, "siren")]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("hello", r"x\.txt: not a JAMS file \(JSONDecodeError"),
        ("{}", r"not a JAMS file \(KeyError: 'annotations'\). Name its format with --from"),
        (
            '{"annotations": [{"namespace": "beat", "data": []}]}',
            "no annotation of events among the namespaces beat",
        ),
        (
            '{"annotations": [{"namespace": "beat", "data": []}, {"namespace": "tag_open", "data": [{"time": 0, '
            '"duration": 1, "value": "a", "confidence": null}, {"time": NaN, "duration": 1, "value": "a", '
            '"confidence": NaN}]}]}',
            r"x\.txt, annotation 2, observation 2: 'start' is nan",
        ),
        (
            '{"annotations": [{"namespace": "tag_open", "data": [{"time": 0, "duration": Infinity, "value": "a", '
            '"confidence": null}]}]}',
            r"observation 1: 'end' is inf\. Times are seconds",
        ),
        (
            '{"annotations": [], "file_metadata": {"duration": NaN}}',
            r"the duration in file_metadata is nan\. Correct",
        ),
    ],
)
def test_jams_that_is_wrong(text, message, read):
    with pytest.raises(UnreadableTable, match=message):
        read("jams", text)


# --- Sonic Visualiser ---


@pytest.mark.parametrize(
    "text",
    [
        "TIME,VALUE,DURATION,LABEL\n1.5,440,0.5,verse\n",
        '1.500000000,440,0.500000000,"verse"\n',
        "start,duration,label\n1.5,0.5,verse\n",
        "1.5,0.5,verse\n",
        "1.5,440,0.5,0.8,verse\n",
        "\ufeffLABEL,TIME,DURATION\r\nverse,1.5,0.5\r\n",
    ],
)
def test_sonic_visualiser_regions(text, read):
    assert rows(read("sonicvisualiser", text, name="song.csv")) == [("song", 1.5, 2.0, "verse")]


def test_sonic_visualiser_that_is_wrong(read):
    with pytest.raises(UnreadableTable, match="line 1: 2 columns, not the TIME, VALUE, DURATION, LABEL"):
        read("sonicvisualiser", "1.5,verse\n")


# --- ELAN ---

EAF = """<?xml version="1.0" encoding="UTF-8"?>
<ANNOTATION_DOCUMENT AUTHOR="" DATE="2024-05-17T04:30:00+02:00" FORMAT="3.0" VERSION="3.0"
    xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"
    xsi:noNamespaceSchemaLocation="http://www.mpi.nl/tools/elan/EAFv3.0.xsd">
    <HEADER MEDIA_FILE="" TIME_UNITS="milliseconds">
        <MEDIA_DESCRIPTOR MEDIA_URL="file:///D:/rec/c.mp4" MIME_TYPE="video/mp4" RELATIVE_MEDIA_URL="./c.mp4"/>
        <MEDIA_DESCRIPTOR MEDIA_URL="file:///D:/rec/dawn%20%231.wav" MIME_TYPE="audio/x-wav"
            RELATIVE_MEDIA_URL="../rec/dawn%20%231.wav"ORIGIN/>
        <PROPERTY NAME="lastUsedAnnotationId">9</PROPERTY>
    </HEADER>
    <TIME_ORDER>
        <TIME_SLOT TIME_SLOT_ID="ts1" TIME_VALUE="1500"/>
        <TIME_SLOT TIME_SLOT_ID="ts2" TIME_VALUE="2750"/>
        <TIME_SLOT TIME_SLOT_ID="ts3" TIME_VALUE="4000"/>
        <TIME_SLOT TIME_SLOT_ID="ts4"/>
        <TIME_SLOT TIME_SLOT_ID="ts5"/>
        <TIME_SLOT TIME_SLOT_ID="ts6" TIME_VALUE="5500"/>
    </TIME_ORDER>
    <TIER LINGUISTIC_TYPE_REF="call" TIER_ID="birds">
        <ANNOTATION><ALIGNABLE_ANNOTATION ANNOTATION_ID="a1" TIME_SLOT_REF1="ts1" TIME_SLOT_REF2="ts2">
            <ANNOTATION_VALUE>Turdus merula &amp; juv.</ANNOTATION_VALUE>
        </ALIGNABLE_ANNOTATION></ANNOTATION>
        <ANNOTATION><ALIGNABLE_ANNOTATION ANNOTATION_ID="a2" TIME_SLOT_REF1="ts3" TIME_SLOT_REF2="ts6">
            <ANNOTATION_VALUE></ANNOTATION_VALUE>
        </ALIGNABLE_ANNOTATION></ANNOTATION>
    </TIER>
    <TIER LINGUISTIC_TYPE_REF="in" PARENT_REF="birds" TIER_ID="syllables">
        <ANNOTATION><ALIGNABLE_ANNOTATION ANNOTATION_ID="a3" TIME_SLOT_REF1="ts3" TIME_SLOT_REF2="ts4">
            <ANNOTATION_VALUE>A</ANNOTATION_VALUE>
        </ALIGNABLE_ANNOTATION></ANNOTATION>
        <ANNOTATION><ALIGNABLE_ANNOTATION ANNOTATION_ID="a4" TIME_SLOT_REF1="ts4" TIME_SLOT_REF2="ts5">
            <ANNOTATION_VALUE>B</ANNOTATION_VALUE>
        </ALIGNABLE_ANNOTATION></ANNOTATION>
        <ANNOTATION><ALIGNABLE_ANNOTATION ANNOTATION_ID="a5" TIME_SLOT_REF1="ts5" TIME_SLOT_REF2="ts6">
            <ANNOTATION_VALUE>A</ANNOTATION_VALUE>
        </ALIGNABLE_ANNOTATION></ANNOTATION>
    </TIER>
    <TIER LINGUISTIC_TYPE_REF="of" PARENT_REF="syllables" TIER_ID="remarks">
        <ANNOTATION><REF_ANNOTATION ANNOTATION_ID="a6" ANNOTATION_REF="a4">
            <ANNOTATION_VALUE>faint,
                far off</ANNOTATION_VALUE>
        </REF_ANNOTATION></ANNOTATION>
    </TIER>
    <LINGUISTIC_TYPE GRAPHIC_REFERENCES="false" LINGUISTIC_TYPE_ID="call" TIME_ALIGNABLE="true"/>
    <LINGUISTIC_TYPE CONSTRAINTS="Time_Subdivision" LINGUISTIC_TYPE_ID="in" TIME_ALIGNABLE="true"/>
    <LINGUISTIC_TYPE CONSTRAINTS="Symbolic_Association" LINGUISTIC_TYPE_ID="of" TIME_ALIGNABLE="false"/>
</ANNOTATION_DOCUMENT>
"""
ELAN = EAF.replace("ORIGIN", "")
DAWN = "dawn #1.wav"


def test_elan_tiers_that_hang_on_no_other(read):
    assert rows(read("elan", ELAN.encode(), name="x.eaf")) == [
        (DAWN, 1.5, 2.75, "Turdus merula & juv."), (DAWN, 4.0, 5.5, "birds"),
    ]  # fmt: skip
    late = EAF.replace("ORIGIN", ' TIME_ORIGIN="250"')
    assert rows(read("elan", late.encode(), name="x.eaf"))[0] == (DAWN, 1.75, 3.0, "Turdus merula & juv.")


def test_an_elan_tier_that_is_named(read):
    assert rows(read("elan", ELAN.encode(), label_column="syllables")) == [
        (DAWN, 4.0, 4.5, "A"), (DAWN, 4.5, 5.0, "B"), (DAWN, 5.0, 5.5, "A"),
    ]  # fmt: skip
    assert rows(read("elan", ELAN.encode(), label_column="remarks")) == [(DAWN, 4.5, 5.0, "faint, far off")]
    with pytest.raises(
        UnreadableTable, match=r"no tier 'bird'\. Did you mean 'birds'\? It has: birds, syllables, rem"
    ):
        read("elan", ELAN.encode(), label_column="bird")


def test_elan_without_media_or_annotations(read):
    bare = '<ANNOTATION_DOCUMENT FORMAT="3.0"><HEADER/><TIME_ORDER/><TIER TIER_ID="birds"/></ANNOTATION_DOCUMENT>'
    (found,) = read("elan", bare.encode(), name="night/a.wav.eaf")
    assert (found.file, found.events) == ("a.wav", ())


BOMB = '<!DOCTYPE b [<!ENTITY a "ha"><!ENTITY b "&a;&a;">]>'
OUTSIDE = '<!DOCTYPE b [<!ENTITY a SYSTEM "file:///etc/hostname">]>'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (ELAN.replace("?>", "?>" + BOMB, 1).replace("faint", "&b;"), "has a document type"),
        (ELAN.replace("?>", "?>" + OUTSIDE, 1).replace("faint", "&a;"), "has a document type"),
        (ELAN.replace("faint", "&a;"), r"not a file of ELAN \(undefined entity"),
        (ELAN[:900], "not a file of ELAN"),
        ("", "not a file of ELAN"),
        ("<svg/>", "an ANNOTATION_DOCUMENT with a HEADER"),
        (ELAN.replace('"milliseconds"', '"PAL-frames"'), "its times are in PAL-frames"),
        (ELAN.replace('TIME_SLOT_REF2="ts2"', 'TIME_SLOT_REF2="ts9"'), "refers to what is not there.*ts9"),
        (ELAN.replace('"1500"', '"soon"'), "a time is no number"),
        (ELAN.replace('"1500"', '"3000"'), "'a1' of the tier 'birds' lasts from 3000 to 2750 ms"),
        (ELAN.replace(' TIME_VALUE="5500"', ""), "refers to what is not there, or a time is no number.*a2"),
    ],
)
def test_elan_that_is_wrong(text, message, read):
    with pytest.raises(UnreadableTable, match=message):
        read("elan", text.encode(), name="x.eaf")


def test_a_circle_of_elan_annotations_ends(read):
    turned = ELAN.replace('ANNOTATION_REF="a4"', 'ANNOTATION_REF="a6"')
    assert len(rows(read("elan", turned.encode()))) == 2
    with pytest.raises(UnreadableTable, match="refers to what is not there"):
        read("elan", turned.encode(), label_column="remarks")


# --- the canonical forms ---


def test_csv_with_few_columns_in_any_order(read):
    found = read("csv", "\ufefflabel,file,end,start,extra\r\nviolin,a.wav,2,1,x\r\n\r\n")
    assert rows(found) == [("a.wav", 1.0, 2.0, "violin")]
    event = found[0].events[0]
    assert math.isnan(event.score)
    assert (event.raw, event.channel, event.flags) == (None, None, "")


@pytest.mark.parametrize(
    "text",
    [
        '\ufefffile;start;end;label;score\r\na.wav;0,5;1234,125;b, "1,2";0,25\r\n',
        'file\tstart\tend\tlabel\tscore\na.wav\t0,5\t1234,125\t"b, ""1,2"""\t0,25\n',
        'file;start;end;label;score\na.wav;0.5;1234.125;b, "1,2";0.25\n',
    ],
)
def test_csv_of_spreadsheets_that_write_decimal_commas(read, text):
    found = read("csv", text)
    assert rows(found) == [("a.wav", 0.5, 1234.125, 'b, "1,2"')]
    assert found[0].events[0].score == 0.25


def test_labels_of_audacity_with_decimal_commas_keep_their_text(read):
    (found,) = read("audacity", "0,500000\t1,250000\t1,2\n2,000000\t3,500000\tb\n")
    assert [(event.start_s, event.end_s, event.label) for event in found.events] == [
        (0.5, 1.25, "1,2"),
        (2.0, 3.5, "b"),
    ]
    (found,) = read("audacity", "0.5\t1.250\t1,2\n")
    assert found.events[0].label == "1,2" and found.events[0].end_s == 1.25


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("file,start,end\n", r"x\.txt, line 1: no column 'label'.*convert FILE --from"),
        (
            "file;start;end;label\na;0,5;1.500;b\n",
            "line 2, column 'end': is '1.500', not a number. It may be thousands",
        ),
        (
            'file,start,end,label\na,0,"1,5",b\n',
            "line 2, column 'end': is '1,5', not a number. Use a decimal",
        ),
        (
            "file,start,end,label,score\na,0,1,v,80\n",
            r"line 2, column 'score': is 80. A score is a probability",
        ),
        ('file,start,end,label\n"a,0,1,v\n', r"x\.txt, line \d: unexpected end of data"),
        ("file,start,end,label\na,0,1,b,c\n", "line 2: 5 cells under 4 column names"),
        ("file,start,end,label\na,0,inf,b\n", "line 2, column 'end': is 'inf', not a number"),
        ("file,start,end,label\na,2,1,b\n", "line 2, column 'end': ends at 1, before it begins at 2. Swap"),
        ("file,start,end,label\n,0,1,b\n", "line 2, column 'file': is empty. Every event belongs"),
        ("file,start,end,label,channel\na,0,1,b,-3\n", "'channel': is -3. Channels are whole numbers from 1"),
        ("file,start,end,label,channel\na,0,1,b,1.5\n", "'channel': is 1.5. Channels are whole numbers"),
        ("file,start,end,label,pitch\na,0,1,b,500\n", "'pitch': is 500. A MIDI number is needed, 0 to 127"),
        ("file,start,end,label,velocity\na,0,1,b,900\n", "'velocity': is 900. A whole number is needed"),
    ],
)
def test_csv_that_is_wrong(text, message, read):
    with pytest.raises(UnreadableTable, match=message):
        read("csv", text)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (
            '"start": NaN',
            "line 1: 'start' is nan, float is needed. Every event needs file, start, end, label",
        ),
        ('"start": true', "'start' is True, float is needed"),
        ('"start": -1', "'start' is -1. Times are seconds, 0 or more"),
        ('"start": 5', "'end' ends at 1, before it begins at 5. Swap them"),
        ('"end": 1e999', "'end' is inf. Times are seconds"),
        ('"file": ""', "'file' is empty. Every event belongs to a recording"),
        ('"score": 7', "'score' is 7. A score is a probability from 0 to 1"),
        ('"channel": [1]', r"'channel' is \[1\], float is needed. Correct it, or leave it out"),
        ('"channel": 0', "'channel' is 0. Channels are whole numbers from 1"),
        ('"pitch": "C4"', "'pitch' is 'C4', float is needed"),
        ('"velocity": 0.5', "'velocity' is 0.5. A whole number is needed, 1 to 127"),
        ('"low_hz": -5', "'low_hz' is -5. Frequencies are in Hz"),
        ('"site": 5', "'site' is 5, str is needed"),
    ],
)
def test_values_of_json_lines_that_no_event_has(values, message, read):
    with pytest.raises(UnreadableTable, match=message):
        read("jsonl", f'{{"file": "a", "start": 0, "end": 1, "label": "v", {values}}}')


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", r"x\.txt, line 1: not JSON"),
        ('{"file": "a", "start": 0, "end": 1, "label": "v"}\n[1]\n', "line 2: list, not an object"),
        ('{"file": "a", "start": "0", "end": 1, "label": "v"}', "line 1: 'start' is '0', float is needed"),
        (
            '{"file": "a", "start": 0, "end": 1}',
            "'label' is None, str is needed. Every event needs file, start",
        ),
    ],
)
def test_json_lines_that_are_wrong(text, message, read):
    with pytest.raises(UnreadableTable, match=message):
        read("jsonl", text)


def test_parquet_that_is_none(read):
    with pytest.raises(UnreadableTable, match="not a Parquet file"):
        read("parquet", b"file,start\n")

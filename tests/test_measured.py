"""A stage of the run that has nothing to measure says so and goes on; what is measured on a system is told as in its training."""
import numpy as np, pandas as pd, pytest, torch
from weakse import selective
from weakse.anchors import NoAnchorsError, _write_store
from weakse.joint import JointError, heard_as, pure_anchors, usable_anchors
from weakse.labels import Vocabulary
from weakse.selective import RECOGNISED, _told, recognition, selective_markdown, write_selective
from weakse.systems import System

NAMES = Vocabulary(['Speech','Knock','Rain']).with_thresholds([.5]*3)
KINDS = pd.DataFrame([('Speech','speech',True), ('Knock','transient',True), ('Rain','stationary',True)], columns=['class','kind','seen'])

@pytest.fixture
def crowded(tmp_path):
    "Anchors of clips with three labels whose tags all say 0.3: heard at half of the threshold 0.5, not heard at eight times it."
    clip,k = np.arange(24)//3,np.arange(24)%3
    table = pd.DataFrame(dict(clip=clip, file=[f'{i}.wav' for i in clip], start=0., area=.5, level_db=-26.))
    table.insert(2, 'class', [NAMES.names[i] for i in k])
    wavs = .1*torch.randn(24, 1600, generator=torch.Generator().manual_seed(0))
    return _write_store(tmp_path/'anchors', table, wavs, np.full((24, 3), .3), NAMES, dict(sample_rate=16000, seconds=.1))

class Deaf:
    "A branch that always says Speech."
    @staticmethod
    def listen(wav): return (torch.eye(3)[:1].expand(len(wav), -1),)*3

def heard(**training):
    system = System('joint', None, vocabulary=NAMES, bank=torch.eye(3), config=dict(training=training) if training else {})
    system.model = Deaf
    return system

def told(rows): return {(r['kind'], r['seen'], r['metric']): r['value'] for r in rows}

def test_recognition_tells_what_is_heard_as_the_training_did(crowded):
    rows = recognition(heard(scenes=dict(threshold_scale=8.)), crowded, KINDS)
    assert told(rows)['all',True,'accuracy']==pytest.approx(1/3) and told(rows)['speech',True,'accuracy']==1.
    assert heard_as(dict(scenes=None))==heard_as(None)=={}

def test_too_few_held_out_anchors_are_a_missing_value_with_its_reason(crowded, tmp_path):
    rows = recognition(heard(), crowded, KINDS)
    assert set(told(rows))==set(RECOGNISED) and not any(v is not None for v in told(rows).values())
    assert all(r['n']==0 and 'too few held-out anchors' in r['why'] for r in rows)
    with pytest.raises(JointError, match='no class of kind'): usable_anchors(crowded, KINDS)   # a training still needs them
    assert not any(pure_anchors(crowded, KINDS).values())

def test_the_tables_say_what_was_not_measured(crowded, tmp_path):
    values = pd.DataFrame([dict(system='noisy', condition='0', snr_db=5., object='noisy', kind='speech', seen=True, metric='stoi', scene='a', value=.5)])
    t = write_selective(values, tmp_path/'s.json', snrs=(5.,), told=recognition(heard(), crowded, KINDS))
    assert 'not measured (too few held-out anchors' in (tmp_path/'s.md').read_text()
    goal = next(g for g in t['goals'] if g['what'].startswith('class of held-out'))
    assert goal['value'] is None and not goal['reached'] and selective_markdown(t)

def test_no_held_out_anchor_at_all_does_not_end_the_run(monkeypatch):
    def none(*_, **__): raise NoAnchorsError('none of 0 anchors passes the gates')
    monkeypatch.setattr(selective, 'detect_anchors', none)
    rows = _told(dict(joint=heard()), 'corpus', 'detector', 'kinds.csv', 'folder', 0, False)
    assert len(rows)==len(RECOGNISED) and all('none of 0 anchors' in r['why'] for r in rows)

"Worker processes change nothing: what they make is, byte for byte, what one process makes."
import hashlib
from pathlib import Path
import pandas as pd, pytest
import weakse.core.parallel as parallel
from weakse.core.paths import checkout_dir
from weakse.corpora.scenes import test_scenes as make_scenes
from weakse.corpora.synth import synth_corpus, synth_train_pairs

SMALL = dict(voices=12, speech_source='formant', progress=False)
pytestmark = pytest.mark.scale
PARTS = 'corpus', 'truth', 'pairs', 'pairs_dev'

@pytest.fixture
def at_once(monkeypatch):
    "`auto` sends all but the first item to processes, and each block of work is seen to go there."
    sent,of_block = [],parallel._of_block
    monkeypatch.setattr(parallel, '_start_s', -1)
    monkeypatch.setattr(parallel, '_of_block', lambda f, items, n: sent.append(n) or of_block(f, items, n))
    return sent

def made(folder):
    return {
        str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest()
        for p in sorted(folder.rglob('*')) if p.is_file()}

def corpus(folder, n_workers):
    synth_corpus(
        checkout_dir()/'sources', *(folder/p for p in PARTS), n_clips=6, n_pairs=3, n_dev_pairs=3, seconds=2.,
        n_workers=n_workers, **SMALL)

def train_pairs(folder, n_workers):
    synth_train_pairs(checkout_dir()/'sources', folder/'paired', n_pairs=3, n_workers=n_workers, **SMALL)

def scenes(folder, n_workers):
    seen = {'Speech': 'speech', 'Bark': 'transient', 'Rain': 'stationary'}
    unseen = {'Knock': 'transient', 'Drill': 'stationary'}
    table = pd.DataFrame(
        [(*c, True, 'seen') for c in seen.items()] + [(*c, False, 'unseen-test') for c in unseen.items()],
        columns=['class', 'kind', 'seen', 'set'])
    corpus(folder, 1)
    table.to_csv(folder/'sound_types.csv', index=False)
    make_scenes(
        checkout_dir()/'sources', folder/'corpus', folder/'sound_types.csv', folder/'scenes', n_scenes=4,
        seconds=1., n_workers=n_workers, progress=False)

@pytest.mark.parametrize('make', [corpus, train_pairs, scenes], ids=lambda f: f.__name__)
def test_the_same_bytes_of_one_process_and_of_two(make, at_once, tmp_path):
    make(tmp_path/'one', 1)
    assert not at_once
    make(tmp_path/'two', 2)
    assert at_once and made(tmp_path/'one')==made(tmp_path/'two')

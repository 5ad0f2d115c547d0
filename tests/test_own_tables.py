"""Tables that weakse wrote itself, damaged since: one line with path, row, expectation and remedy; and names
that are not UTF-8, there and back."""
import os, re
from pathlib import Path
import numpy as np, pandas as pd, pytest, torch
from weakse.mining.anchor_store import write_anchors, read_anchors
from weakse.mining.truth import anchor_accuracy
from weakse.mining.audits import read_audit
from weakse.corpora.audioset_manifest import MANIFEST, read_manifest
from weakse.corpora.corpus import Corpus, read_corpus
from weakse.evaluation.figures import draw_figures
from weakse.mining.sound_types import read_sound_types
from weakse.core.tables import TableError, load_table, write_table
from weakse.core.labels import Vocabulary
from weakse.app.listening import listening_page
from weakse.corpora.scenes import read_class_table, read_scenes
from weakse.corpora.recipe import read_recipe

NAMES = Vocabulary(['Speech', 'Dog'])
DAMAGED = dict(
    comma=lambda t: t.replace(b'\n', b'\n,', 1), header=lambda t: t.partition(b'\n')[2],
    column=lambda t: re.sub(rb'\b(file|name|class|scene)\b', b'life', t, count=1),
    latin=lambda t: t + b'caf\xe9\n', zero=lambda t: t + b'\0\n', empty=lambda t: b'',
    quote=lambda t: t + b'"', short=lambda t: t + b'a\n', binary=lambda t: bytes(range(256)) * 9)

def _corpus(d):
    Corpus(
        d, pd.DataFrame(dict(file=['a.wav'], labels=[['Dog']], split=['train'], seconds=[2.0])), NAMES, 16000
    ).save()
    return d/'clips.csv',lambda: read_corpus(d)

def _store(d):
    table = pd.DataFrame(
        {'clip': [0], 'file': ['a.wav'], 'class': ['Dog'], 'start': [0.0], 'area': [0.5], 'level_db': [-20.0]}
    )
    write_anchors(
        d / 's', table, torch.zeros(1, 1600), np.full((1, 2), 0.3), NAMES,
        dict(sample_rate=16000, seconds=0.1), table)
    return d/'s'

def _anchors(d):
    return _store(d)/'anchors.csv',lambda: read_anchors(d/'s').table
def _rejected(d):
    return _store(d)/'rejected.csv',lambda: read_anchors(d/'s')

def _truth(d):
    store = read_anchors(_store(d))
    write_table(
        d / 'events.csv', pd.DataFrame({'file': ['a.wav'], 'class': ['Dog'], 'onset': [0.0], 'offset': [1.0]})
    )
    return d/'events.csv',lambda: anchor_accuracy(store, d/'events.csv')

def _audit(d):
    write_table(d/'audit.csv', pd.DataFrame({'file':['a.wav'], 'class':['Dog'], 'verdict':['reject']}))
    return d/'audit.csv',lambda: read_audit(d/'audit.csv')

def _sound_types(d):
    write_table(
        d / 'sound_types.csv',
        pd.DataFrame({'class': ['Dog'], 'n': [9], 'gini': [0.5], 'kind': ['transient'], 'seen': [True], 'set': ['seen']}))
    return d/'sound_types.csv',lambda: read_sound_types(d/'sound_types.csv')

def _sound_types_of_scenes(d):
    return _sound_types(d)[0],lambda: read_class_table(d/'sound_types.csv')

def _scenes(d):
    write_table(
        d / 'scenes.csv',
        pd.DataFrame(
            dict(
                name=['a'], transient=['Dog'], transient_seen=[True], stationary=['Rain'],
                stationary_seen=[False], voice=[''], text=[''])
        ),
    )
    return d/'scenes.csv',lambda: read_scenes(d)

def _values(d):
    write_table(
        d / 'values.csv',
        pd.DataFrame(
            dict(
                scene=['a'], snr_db=[5.0], system=['noisy'], condition=['0'], object=['noisy'],
                kind=['speech'], metric=['pesq'], value=[np.nan])
        ),
    )
    (d/'t.json').write_text('{}')
    def read():
        listening_page(d/'t.json', d, d, d/'out')
    return d/'values.csv',read

def _pairs(d):
    _corpus(d/'c')
    write_table(d/'pairs.csv', pd.DataFrame(dict(file=['a.wav'], snr_db=[5.], speaker=[''], noise=[''])))
    def read():
        from weakse.evaluation.figures import read_pairs
        return read_pairs(d)
    return d/'pairs.csv',read

def _manifest(d):
    write_table(
        d / 'm.csv',
        pd.DataFrame(
            [
                dict.fromkeys(MANIFEST, 'x')
                | dict(start=0.0, end=1.0, seconds=np.nan, level_db=np.nan, size=3, mtime=4)]
        )[MANIFEST],
    )
    return d/'m.csv',lambda: read_manifest(d/'m.csv')

def _recipe(d):
    import shutil
    shutil.copytree(Path(__file__).parents[1]/'sources', d/'r')
    return d/'r'/'classes.csv',lambda: read_recipe(d/'r')

MADE = [
    _corpus, _anchors, _rejected, _truth, _audit, _sound_types, _sound_types_of_scenes, _scenes, _values, _pairs,
    _manifest, _recipe]

@pytest.mark.parametrize('damage', DAMAGED)
@pytest.mark.parametrize('make', MADE, ids=lambda f: f.__name__[1:])
def test_a_damaged_table_is_told_in_one_line(tmp_path, make, damage):
    path,read = make(tmp_path)
    whole = path.read_bytes()
    path.write_bytes(DAMAGED[damage](whole))
    if make is _audit and damage in ('empty','short'):
        return   # an audit may be empty, and is written by hand
    if make is _audit and damage=='comma':
        path.write_bytes(whole.replace(b'reject', b'reject,more'))
    with pytest.raises(ValueError) as caught:
        read()
    said = str(caught.value)
    assert str(path) in said and len(said) < 700 and 'Traceback' not in said
    assert '\n' not in said or make is _audit, said
    if damage in ('comma','latin','quote','short'):
        assert 'row ' in said or 'line ' in said, said

@pytest.mark.parametrize(
    'make', [m for m in MADE if m not in (_values, _audit)], ids=lambda f: f.__name__[1:])
def test_a_whole_table_is_read(tmp_path, make):
    make(tmp_path)[1]()

def test_a_value_of_another_kind_is_named_with_its_row(tmp_path):
    path,types = tmp_path/'t.csv',dict(name=str, x=float, n=int, ok=bool)
    path.write_text('name,x,n,ok\na,,1,True\n"b\nc",2,3,False\nd,two,4,True\n')
    with pytest.raises(TableError, match=r"t\.csv: row 5: x is 'two', expected a number: make it again"):
        load_table(path, types, 'make it again')
    path.write_text('name,x,n,ok\na,,1,True\nb,2,3,perhaps\n')
    with pytest.raises(TableError, match="row 3: ok is 'perhaps', expected True or False"):
        load_table(path, types, 'make it again')
    path.write_text('name,x,n,ok,more\nNA,,1,True,7\n')
    t = load_table(path, types, '')
    assert t.name[0]=='NA' and np.isnan(t.x[0]) and t.n[0]==1 and t.ok[0] and t.more[0]==7
    with pytest.raises(TableError, match=r"none\.csv: make it again"):
        load_table(tmp_path/'none.csv', types, 'make it again')

def test_names_come_back_as_they_are(tmp_path):
    names = [os.fsdecode(b'caf\xe9.wav'), 'a,b', 'a"b', 'a\nb', 'NA', '', ' x', '\u6f22']
    write_table(tmp_path/'t.csv', pd.DataFrame(dict(file=names, x=1)))
    (tmp_path/'t.csv').read_text(encoding='utf-8', errors='strict')
    assert load_table(tmp_path/'t.csv', dict(file=str), '').file.tolist()==names

def test_a_table_without_rows_has_its_columns(tmp_path):
    write_table(tmp_path/'t.csv', pd.DataFrame(columns=['file','x']))
    t = load_table(tmp_path/'t.csv', dict(file=str, x=float), '')
    assert not len(t) and list(t)==['file','x'] and t.x.dtype==float

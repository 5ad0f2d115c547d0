"""What goes to worker processes can be sent to one that is spawned."""
import pickle
from functools import partial
from pathlib import Path
import pytest
import weakse.app.listening as listen, weakse.core.parallel as scale, weakse.evaluation.experiments as selective

class Sent(Exception):
    "Stands for the worker processes."

def caught(monkeypatch, module):
    "The function that a module gives to `pmap`."
    def pmap(f, items, **k):
        raise Sent(f, list(items))
    monkeypatch.setattr(module, 'pmap', pmap)

def test_listen(monkeypatch, tmp_path):
    caught(monkeypatch, listen)
    with pytest.raises(Sent) as sent:
        listen._write_groups(
            tmp_path, 'audio', 'scenes', [dict(name='a'), dict(name='b')], [0.0, 5.0], 2, False)
    f,items = sent.value.args
    assert items == [('a', 0.0), ('a', 5.0), ('b', 0.0), ('b', 5.0)] and repr(
        pickle.loads(pickle.dumps(f))) == repr(f)

def test_selective(monkeypatch, tmp_path):
    import pandas as pd
    from doubles import band_system
    caught(monkeypatch, selective)
    monkeypatch.setattr(selective, 'load_systems', lambda joint: {'joint': band_system()})
    monkeypatch.setattr(
        selective, 'read_scenes', lambda folder: pd.DataFrame([dict(name='a'), dict(name='b')]))
    with pytest.raises(Sent) as sent:
        selective.run_experiments(
            'scenes', 'sound_types.csv', 'joint', tmp_path / 'out', tmp_path / 'o.json', progress=False)
    f,items = sent.value.args
    assert items==[(0, dict(name='a')), (1, dict(name='b'))]
    pickle.loads(pickle.dumps(f))

def test_spawn(monkeypatch):
    "A function of a module, with settings, does its work in spawned processes."
    monkeypatch.setattr(scale, '_method', 'spawn')
    assert scale.pmap(partial(Path, 'x'), ['a', 'b', 'c'], n_workers=2) == [
        Path('x/a'), Path('x/b'), Path('x/c')]

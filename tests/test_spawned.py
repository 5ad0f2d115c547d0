"""What goes to worker processes can be sent to one that is spawned."""
import os, pickle, subprocess, sys, threading
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
    seen = dict(transient='Whistle', transient_seen=True, stationary='Hum', stationary_seen=True)
    monkeypatch.setattr(selective, 'load_systems', lambda joint: {'joint': band_system()})
    monkeypatch.setattr(
        selective, 'read_scenes', lambda folder: pd.DataFrame([dict(name=n, **seen) for n in 'ab']))
    with pytest.raises(Sent) as sent:
        selective.run_experiments(
            'scenes', 'sound_types.csv', 'joint', tmp_path / 'out', tmp_path / 'o.json', progress=False)
    f,items = sent.value.args
    assert items==[(i, dict(name=n, **seen, absent={})) for i,n in enumerate('ab')]
    pickle.loads(pickle.dumps(f))

@pytest.mark.scale
def test_spawn(monkeypatch):
    "A function of a module, with settings, does its work in spawned processes."
    monkeypatch.setattr(scale, '_method', 'spawn')
    assert scale.pmap(partial(Path, 'x'), ['a', 'b', 'c'], backend='process') == [
        Path('x/a'), Path('x/b'), Path('x/c')]

held = threading.Lock()

def with_the_lock(x):
    with held:
        return -x

@pytest.mark.scale
def test_beside_threads():
    "A lock that a thread of this process holds is free in a worker."
    with held:
        assert scale.pmap(with_the_lock, range(4), backend='process')==[0, -1, -2, -3]

@pytest.mark.scale
@pytest.mark.parametrize('method', ['spawn', 'forkserver'])
def test_a_script_without_a_guard(tmp_path, method):
    "Workers do not run the main file again, so it needs no `if __name__=='__main__'`."
    script = tmp_path/'script.py'
    script.write_text(
        f"import weakse.core.parallel as scale\nscale._method = {method!r}\nprint('once')\n"
        "print(scale.pmap(abs, [-1, -2, -3], backend='process'), __file__)\n")
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=100)
    assert (done.stdout, done.stderr)==(f'once\n[1, 2, 3] {script}\n', '')

def nowhere(x):
    return x

@pytest.mark.scale
def test_a_function_that_a_worker_cannot_import(monkeypatch):
    "The item says which module is missing."
    monkeypatch.setattr(nowhere, '__module__', 'nowhere_at_all')
    monkeypatch.setitem(sys.modules, 'nowhere_at_all', sys.modules[__name__])
    with pytest.raises(scale.ItemError, match="item 0 of 2, '1': ModuleNotFoundError: .*nowhere_at_all"):
        scale.pmap(nowhere, [1, 2], backend='process')

@pytest.mark.scale
def test_what_has_not_begun_when_an_item_fails_is_never_begun(tmp_path):
    from doubles import touch_slowly
    with pytest.raises(scale.ItemError, match='item 3 of 100'):
        scale.pmap(partial(touch_slowly, tmp_path), range(100), backend='process')
    assert len(list(tmp_path.iterdir())) < 50

@pytest.mark.scale
@pytest.mark.parametrize('level', ['INFO', 'ERROR'])
def test_a_worker_says_as_much_as_the_verb(level):
    "What is silent here is silent there, and a line there is a line of ours, not one of Python's."
    code = (
        "import logging, sys; from doubles import warn_of; from weakse.core.parallel import pmap; "
        "from weakse.core.terminal import shown_log\n"
        f"with shown_log(logging.{level}): pmap(warn_of, ['a', 'b'], backend='process')")
    path = os.pathsep.join([str(Path(__file__).parent), *sys.path])
    done = subprocess.run(
        [sys.executable, '-c', code], capture_output=True, text=True, timeout=100,
        env={**os.environ, 'PYTHONPATH': path})
    said = ['a is cut short', 'a is read', 'b is cut short', 'b is read'] if level=='INFO' else []
    assert done.returncode==0 and sorted(done.stderr.splitlines())==said

@pytest.mark.scale
def test_a_worker_names_options_as_the_verb_does():
    from weakse.core.messages import named, with_options
    with with_options(dict(overwrite='--overwrite')):
        assert scale.pmap(named, ['overwrite', 'repair'], backend='process')==['`--overwrite`', '`repair`']

@pytest.mark.scale
@pytest.mark.parametrize('method', ['spawn', 'forkserver'])
def test_items_of_the_main_file(tmp_path, method):
    "They are worked on here, which a line says; and what does not come whole into a worker is named."
    script = tmp_path/'script.py'
    script.write_text(
        f"import weakse.core.parallel as scale\nscale._method = {method!r}\n"
        "class Mine:\n    def __str__(self): return 'mine'\n"
        "print(scale.pmap(str, [1, 2, Mine()], backend='process'))\n")
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=100)
    assert done.stdout=="['1', '2', 'mine']\n"
    assert 'item 2 is known to this session alone' in done.stderr and 'killed' not in done.stderr

@pytest.mark.scale
def test_a_name_like_the_main_file_is_no_class_of_it(caplog):
    assert scale.pmap(str, ['a/__main__.py', '__main__/b'], backend='process')==['a/__main__.py', '__main__/b']
    assert not caplog.records

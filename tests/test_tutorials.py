"""The first cell of a tutorial finds the checkout from wherever it is opened, and says what is missing where
there is none."""
import json, os, subprocess, sys
from pathlib import Path
import pytest
from weakse.core.paths import checkout_dir

root = Path(__file__).parents[1]
tutorials = sorted((root/'nbs'/'tutorials').glob('*.ipynb'))

def first_code(path):
    "The setup of a tutorial, as far as the change of the folder; what it imports then takes long."
    code = next(
        ''.join(c['source']) for c in json.loads(path.read_text(encoding='utf-8'))['cells']
        if c['cell_type'] == 'code')
    before,change,_ = code.partition('os.chdir(checkout_dir())')
    assert change, code
    return before+change

def opened(path, where):
    "What the folder is after the first cell, opened from `where`."
    code = first_code(path) + "\nimport os; print('at', os.path.realpath('.'))"
    return subprocess.run(
        [sys.executable, '-c', code], cwd=where, capture_output=True, text=True,
        env={**os.environ, 'PYTHONPATH': str(root)})

@pytest.mark.parametrize('path', tutorials, ids=lambda p: p.stem)
@pytest.mark.parametrize('where', ['.', 'nbs', 'nbs/tutorials'])
def test_a_tutorial_opens_from(path, where):
    r = opened(path, root/where)
    assert r.returncode==0 and r.stdout.splitlines()[-1]==f'at {os.path.realpath(root)}', r.stderr

def test_no_checkout_is_said(tmp_path):
    r = opened(tutorials[0], tmp_path)
    assert (
        r.returncode == 1 and 'settings.ini' in r.stderr.splitlines()[-1]
        and str(tmp_path) in r.stderr.splitlines()[-1])

def test_another_project_is_no_checkout(tmp_path, monkeypatch):
    (tmp_path/'settings.ini').write_text('[DEFAULT]\nlib_name = other\n')
    (tmp_path/'nbs').mkdir()
    monkeypatch.chdir(tmp_path/'nbs')
    with pytest.raises(FileNotFoundError, match='open it inside a checkout of weakse'):
        checkout_dir()
    (tmp_path/'settings.ini').write_text('[DEFAULT]\nlib_name = weakse\n')
    assert checkout_dir()==Path(os.path.realpath(tmp_path))

"The browser's side without a browser: its arithmetic by Node's own runner, and what its files may not do."
import re, shutil, subprocess
from pathlib import Path
import pytest

static = Path(__file__).parents[1]/'weakse'/'app'/'static'
ours = sorted(static.glob('*.js'))

@pytest.mark.skipif(not shutil.which('node'), reason="no node on this machine: apt-get install nodejs")
def test_the_arithmetic():
    run = subprocess.run(
        ['node', '--test', str(Path(__file__).with_name('player.test.mjs'))], capture_output=True, text=True,
        timeout=300)
    assert run.returncode==0, run.stdout[-4000:]

@pytest.mark.parametrize('path', ours, ids=lambda p: p.name)
def test_nothing_is_evaluated_or_fetched_from_elsewhere(path):
    text = path.read_text()
    text = text.replace("'http://www.w3.org/2000/svg'", '')   # the name of a namespace, which nobody fetches
    assert not re.search(r'\beval\(|new Function|innerHTML|insertAdjacentHTML|document\.write|https?:', text)

@pytest.mark.parametrize('path', ours, ids=lambda p: p.name)
def test_what_is_imported_is_there_and_used(path):
    text = path.read_text()
    for names,other in re.findall(r"^import \{ ([^}]*) \} from '\./([\w.]+)';$", text, re.M):
        there = (static/other).read_text()
        for name in names.split(', '):
            assert re.search(rf'^export (?:async )?(?:function|const|class) {name}\b', there, re.M), (name, other)
            assert len(re.findall(rf'\b{name}\b', text))>1, name

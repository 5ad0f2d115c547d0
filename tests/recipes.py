"The recipes of CONTRIBUTING.md, followed to the letter in a copy of the package."
import re, shutil, textwrap
from pathlib import Path
import commands, pytest

ROOT = Path(__file__).resolve().parents[1]

def recipe(title):
    "Blocks of code of a recipe: the new module, and the line elsewhere."
    text = (ROOT/'CONTRIBUTING.md').read_text(encoding='utf-8')
    if '## A new ' not in text: pytest.skip("CONTRIBUTING.md has no recipes yet")
    found = re.search(rf'^#+ {title}$(.*?)(?=^#+ |\Z)', text, re.M | re.S)
    assert found, f"CONTRIBUTING.md has no recipe {title!r}"
    return re.findall(r'^```python\n(.*?)^```$', found[1], re.M | re.S)

def files(folder):
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob('*.py')}

class Copy:
    "A copy of the package, in which a recipe can be followed."
    def __init__(self, folder):
        self.folder = folder
        shutil.copytree(ROOT/'weakse', folder/'weakse', ignore=shutil.ignore_patterns('__pycache__'))

    def write(self, module, text):
        (self.folder/'weakse'/module).write_text(text, encoding='utf-8')

    def insert(self, module, line, before):
        "Put a line above the one place where another begins."
        text = (self.folder/'weakse'/module).read_text(encoding='utf-8')
        assert len(re.findall(f'^{re.escape(before)}', text, re.M)) == 1, (module, before)
        self.write(module, re.sub(f'^{re.escape(before)}', lambda _: line + before, text, flags=re.M))

    def changed(self):
        "Files of the package that are not as they were."
        here,there = files(self.folder/'weakse'),files(ROOT/'weakse')
        return sorted(name for name in here | there if here.get(name) != there.get(name))

    def run(self, script):
        "What a script prints that finds this package."
        done = commands.run(
            '-c', textwrap.dedent(script), cwd=self.folder, text=True, command=commands.PYTHON,
            env=dict(PYTHONPATH=str(self.folder), WEAKSE_DEVICE='cpu'))
        assert not done.returncode, done.stderr
        return done.stdout

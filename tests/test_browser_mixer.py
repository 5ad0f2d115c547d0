"""The mixer and the anchor audit in a browser: clicked as a person would, in Voila and in JupyterLab. Waits on text, never on time.

`WEAKSE_SCREENSHOTS=folder` keeps the screenshots.
"""
import importlib.util, json, os, shutil, socket, subprocess, sys, threading, time
from pathlib import Path
import pytest

chromium = shutil.which('chromium') or shutil.which('chromium-browser') or shutil.which('google-chrome')
absent = [m for m in ('voila','playwright','jupyterlab') if importlib.util.find_spec(m) is None]
pytestmark = [
    pytest.mark.skipif(not chromium, reason="no chromium on this machine: apt-get install chromium"),
    pytest.mark.skipif(
        bool(absent), reason=f"not installed: {', '.join(absent)}; pip install 'weakse[app,browser,dev]'"),
]

doubles = f"import sys; sys.path.append({os.path.dirname(__file__)!r})"
mixer_cell = doubles + """
from weakse.app.mixer_view import MixerView
from doubles import BandDetector, band_scene, band_system
MixerView(band_scene(), 16000, band_system(), BandDetector())"""

audit_cell = doubles + """
import torch, pandas as pd
from pathlib import Path
from weakse.mining.detection import detect_anchors
from weakse.core.audio import save_audio
from weakse.app.audit import AuditView
from weakse.corpora.corpus import Corpus
from doubles import BandDetector
here,ears,t = Path('.'),BandDetector(),torch.arange(4*16000)/16000
for i in range(8):
    wav = .01*torch.randn(4*16000, generator=torch.Generator().manual_seed(i))
    wav += (.3*.5**i*torch.sin(2*torch.pi*(2500+200*i)*t) + .2*torch.sin(2*torch.pi*120*t))*((t>.2*i)&(t<.2*i+1.5))
    save_audio(here/'corpus'/'audio'/f'clip {i}.wav', wav, 16000)
table = pd.DataFrame(dict(file=[f'clip {i}.wav' for i in range(8)], labels=[['Hum','Whistle']]*8, split='train', seconds=4.))
corpus = Corpus(here/'corpus', table, ears.vocabulary, 16000, 'toy')
corpus.save()
store = detect_anchors(corpus, ears, here/'anchors', progress=False)
AuditView(store, ears, corpus, 'audit.csv', 'Whistle', n=2)"""

def notebook(folder, *cells):
    "Write `page.ipynb`."
    kernel = dict(name='python3', display_name='python3', language='python')
    cells = [
        dict(cell_type='code', id=f'cell{i}', metadata={}, source=c.strip(), outputs=[], execution_count=None)
        for i, c in enumerate(cells)]
    (folder / 'page.ipynb').write_text(
        json.dumps(dict(cells=cells, metadata=dict(kernelspec=kernel), nbformat=4, nbformat_minor=5)))

class Server:
    "A program that serves pages, stopped at the end."
    def __init__(self, folder, words, ready):
        with socket.socket() as s:
            s.bind(('127.0.0.1', 0))
            self.port = s.getsockname()[1]
        self.url = f'http://127.0.0.1:{self.port}'
        root = str(Path(__file__).resolve().parents[1])
        env = os.environ | dict(
            PYTHONPATH=os.pathsep.join([root, os.environ.get('PYTHONPATH', '')]), OMP_NUM_THREADS='1',
            JUPYTER_PLATFORM_DIRS='1', JUPYTER_CONFIG_DIR=str(folder / 'config'),
            JUPYTERLAB_SETTINGS_DIR=str(folder / 'settings'), IPYTHONDIR=str(folder / 'ipython'))
        self.process = subprocess.Popen(
            [sys.executable, '-m', *words, f'--port={self.port}', '--no-browser'], cwd=folder, env=env,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        said = []
        for line in self.process.stdout:
            said.append(line)
            if ready in line: break
        else:
            pytest.fail(f"{words[0]} did not start:\n{''.join(said)[-3000:]}")
        # a full pipe would stop the server
        threading.Thread(target=self.process.stdout.read, daemon=True).start()
        self.connect()

    def connect(self, patience=60):
        "Jupyter says that it runs before it listens: knock until the door opens."
        end = time.monotonic()+patience
        while time.monotonic()<end and self.process.poll() is None:
            with socket.socket() as s:
                if s.connect_ex(('127.0.0.1', self.port))==0: return
            self.wait(.1)
        pytest.fail(f"nobody listens at {self.url}")

    def wait(self, seconds):
        "A pause between two knocks, cut short when the server ends."
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            pass

    def __enter__(self):
        return self
    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(timeout=30)

def voila(folder):
    return Server(folder, ['voila','page.ipynb'], 'running at')

def lab(folder, dark):
    theme = folder/'settings'/'@jupyterlab'/'apputils-extension'/'themes.jupyterlab-settings'
    theme.parent.mkdir(parents=True)
    theme.write_text(json.dumps(dict(theme=f"JupyterLab {'Dark' if dark else 'Light'}")))
    return Server(
        folder,
        [
            'jupyterlab', '--allow-root', '--ServerApp.ip=127.0.0.1', '--ServerApp.token=',
            '--ServerApp.password=', '--LabApp.news_url=None',
            '--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate'],
        'is running at',
    )

@pytest.fixture(scope='module')
def browser():
    "Chromium without a window."
    from playwright.sync_api import sync_playwright
    with sync_playwright() as p:
        browser = p.chromium.launch(
            executable_path=chromium, args=['--no-sandbox', '--autoplay-policy=no-user-gesture-required'])
        yield browser
        browser.close()

@pytest.fixture
def page(browser):
    "An empty page on which nothing may go wrong unseen."
    page = browser.new_page(viewport=dict(width=1280, height=1000))
    page.set_default_timeout(60_000)
    wrong = []
    page.on('pageerror', lambda e: wrong.append(str(e)))
    yield page
    page.close()
    assert not wrong, wrong

def look(page, name):
    "Keep a screenshot, if somebody wants to look."
    folder = os.environ.get('WEAKSE_SCREENSHOTS')
    if folder:
        page.screenshot(path=Path(folder)/f'{name}.png', full_page=True)

def says(page, text):
    page.get_by_text(text).first.wait_for()

def run_cells(page, n):
    "Run the first `n` cells of a notebook in JupyterLab, by its own shortcut."
    says(page, '| Idle')
    page.locator('.jp-CodeCell .cm-content').first.click()
    for _ in range(n):
        page.keyboard.press('Shift+Enter')

def strip(page, name):
    return page.locator('.ws-strip').filter(has_text=name)

def use_mixer(page, folder, name):
    "Mute, fade by keyboard, solo, reset."
    from playwright.sync_api import expect
    says(page, 'Heard:')
    # three classes were heard, and the rest; no other class is offered
    expect(page.locator('.ws-strip').get_by_role('button', name='Mute')).to_have_count(4)
    expect(page.locator('audio[aria-label="After"]')).to_have_count(1)
    # a sound that the browser can play
    page.wait_for_function("document.querySelector('audio[aria-label=\"After\"]').duration > 3.9")
    look(page, f'{name}_fresh')
    src = page.locator('audio[aria-label="After"]').get_attribute('src')
    page.evaluate(
        "a => {a.loop = true; return a.play()}", page.locator('audio[aria-label="Before"]').element_handle())
    page.evaluate("a => a.play()", page.locator('audio[aria-label="After"]').element_handle())
    # one at a time
    page.wait_for_function("document.querySelector('audio[aria-label=\"Before\"]').paused")
    page.evaluate("a => {a.loop = true}", page.locator('audio[aria-label="After"]').element_handle())
    strip(page, 'Hum').get_by_role('button', name='Mute').click()
    says(page, '--drop Hum')
    assert page.locator('audio[aria-label="After"]').get_attribute('src')!=src
    # the mix changed while it played: it plays on
    page.wait_for_function("document.querySelector('audio[aria-label=\"After\"]').played.length > 0")
    strip(page, 'Whistle').locator('.noUi-handle').focus()
    for _ in range(6):
        page.keyboard.press('ArrowLeft')
    says(page, '--gain Whistle=-6')
    look(page, f'{name}_moved')
    strip(page, 'Speech').get_by_role('button', name='Solo').focus()
    # without a mouse
    page.keyboard.press('Space')
    says(page, 'keep=')
    page.get_by_role('button', name='Reset').click()
    says(page, '--gain rest=0')

def use_audit(page, folder, name):
    "Reject, accept, take back, another class."
    from playwright.sync_api import expect
    says(page, 'All sounds: 0 accepted, 0 rejected')
    cards = page.locator('.ws-cards > *')
    expect(cards).to_have_count(4)
    page.wait_for_function("[...document.querySelectorAll('.ws-card audio')].length == 4")
    look(page, f'{name}_fresh')
    best,worst = (cards.nth(i).locator('b').inner_text() for i in (0,3))
    cards.nth(3).get_by_role('button', name='Reject').click()
    says(page, 'Whistle: 0 accepted, 1 rejected')
    cards.nth(0).get_by_role('button', name='Accept').focus()
    page.keyboard.press('Enter')
    says(page, 'Whistle: 1 accepted, 1 rejected')
    assert (
        folder / 'audit.csv'
    ).read_text() == f'file,class,verdict\n{best},Whistle,accept\n{worst},Whistle,reject\n'
    look(page, f'{name}_decided')
    cards.nth(0).get_by_role('button', name='Undecided').click()
    says(page, 'Whistle: 0 accepted, 1 rejected')
    page.get_by_label('Sound').select_option(label='Hum (8 anchors)')
    says(page, 'Hum: 0 accepted, 0 rejected. All sounds: 0 accepted, 1 rejected')

@pytest.mark.parametrize('theme', ['light','dark'])
def test_in_voila(page, tmp_path, theme):
    notebook(tmp_path, mixer_cell, audit_cell)
    with voila(tmp_path) as server:
        page.goto(f'{server.url}/?theme={theme}')
        use_mixer(page, tmp_path, f'mixer_voila_{theme}')
        use_audit(page, tmp_path, f'audit_voila_{theme}')

def test_a_file_of_ones_own(page, tmp_path):
    import torch
    from weakse.core.audio import save_audio
    from doubles import band_scene
    notebook(tmp_path, mixer_cell)
    scene = band_scene()[:32000]
    talk = save_audio(tmp_path/'my talk.wav', torch.stack([scene, scene.flip(0)]), 16000)
    (tmp_path/'page.wav').write_text('<html>not found</html>')
    with voila(tmp_path) as server:
        page.goto(server.url)
        says(page, 'Heard:')
        for path, text in (
            (talk, 'my talk.wav: 2.0 s, 2 channels. Heard:'), (tmp_path / 'page.wav', 'it is a web page')):
            with page.expect_file_chooser() as chooser:
                page.get_by_role('button', name='Choose a recording').click()
            chooser.value.set_files(path)
            says(page, text)
        says(page, "weakse extract 'my talk.wav'")          # the desk stays as it was
        look(page, 'mixer_refused')

@pytest.mark.parametrize('dark', [False, True])
def test_in_jupyterlab(page, tmp_path, dark):
    notebook(tmp_path, mixer_cell, audit_cell)
    with lab(tmp_path, dark) as server:
        page.goto(f'{server.url}/lab/tree/page.ipynb')
        run_cells(page, 2)
        name = f"lab_{'dark' if dark else 'light'}"
        use_mixer(page, tmp_path, f'mixer_{name}')
        page.locator('.ws-cards').first.scroll_into_view_if_needed()
        use_audit(page, tmp_path, f'audit_{name}')

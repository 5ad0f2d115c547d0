"""What browser tests share: Chromium, pages, and servers of notebooks. Waits on text, never on time.

`WEAKSE_SCREENSHOTS=folder` keeps the screenshots.
"""
import contextlib, importlib.util, json, os, shutil, socket, subprocess, sys, threading, time
from pathlib import Path
import pytest

chromium = shutil.which('chromium') or shutil.which('chromium-browser') or shutil.which('google-chrome')
absent = [m for m in ('voila','playwright','jupyterlab','anywidget','axe_playwright_python') if importlib.util.find_spec(m) is None]
needs_browser = [
    pytest.mark.skipif(not chromium, reason="no chromium on this machine: apt-get install chromium"),
    pytest.mark.skipif(
        bool(absent), reason=f"not installed: {', '.join(absent)}; pip install 'weakse[browser,dev]'"),
]

doubles = f"import sys; sys.path.append({os.path.dirname(__file__)!r})"
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
        try:
            self.process.wait(timeout=30)
        except subprocess.TimeoutExpired:   # a busy machine: what was tested is over
            self.process.kill()

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
            executable_path=chromium, args=[
                '--no-sandbox', '--autoplay-policy=no-user-gesture-required', '--use-fake-ui-for-media-stream',
                '--use-fake-device-for-media-stream'])
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

def faults(page, place='body'):
    "What axe-core finds wrong with a page: the rule, and where."
    script = Path(importlib.util.find_spec('axe_playwright_python').origin).with_name('axe.min.js')
    page.evaluate(script.read_text())
    found = page.evaluate("place => axe.run(place, { resultTypes: ['violations'] })", place)
    return [(v['id'], n['target'], n['failureSummary']) for v in found['violations'] for n in v['nodes']]

def run_cells(page, n):
    "Run the first `n` cells of a notebook in JupyterLab, by its own shortcut."
    says(page, '| Idle')
    page.locator('.jp-CodeCell .cm-content').first.click()
    for _ in range(n):
        page.keyboard.press('Shift+Enter')

@contextlib.contextmanager
def notebook_page(browser, folder, where, cell):
    "A notebook of one cell in Voila or in JupyterLab, where it is run; its page and the server."
    notebook(folder, cell)
    page = browser.new_page(viewport=dict(width=1280, height=1000))
    page.set_default_timeout(90_000)
    with voila(folder) if where=='voila' else lab(folder, False) as server:
        page.goto(server.url if where=='voila' else f'{server.url}/lab/tree/page.ipynb')
        if where=='lab':
            run_cells(page, 1)
        yield page, server
    page.close()

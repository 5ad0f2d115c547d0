"""`weakse app` itself in a browser: its content policy, its kernels, a reload, and a server that goes away."""
import os, re, subprocess, sys, time
from pathlib import Path
import psutil, pytest
from browsers import browser, faults, look, needs_browser, says

pytestmark = needs_browser

class App:
    "A running app in a folder where nothing was trained."
    def __init__(self, folder):
        root = Path(__file__).resolve().parents[1]
        path = os.pathsep.join([str(root), os.environ.get('PYTHONPATH', '')])
        env = os.environ | dict(PYTHONPATH=path, JUPYTER_PLATFORM_DIRS='1', OMP_NUM_THREADS='1')
        self.process = subprocess.Popen(
            [sys.executable, '-c', 'from weakse.app.server import serve; serve(open_browser=False)'], env=env,
            text=True, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        said = self.process.stdout.readline()
        self.url = re.search(r'http://\S+', said)[0]
        for line in self.process.stdout:
            if 'running at' in line: break
        import threading
        threading.Thread(target=self.process.stdout.read, daemon=True).start()

    def kernels(self):
        "Processes that compute for a page."
        children = psutil.Process(self.process.pid).children(recursive=True)
        def computes(p):
            try:
                return 'ipykernel' in ' '.join(p.cmdline())
            except psutil.Error:                                      # it has just ended
                return False
        return [p.pid for p in children if computes(p)]

    def end(self):
        self.process.terminate()
        self.process.wait(timeout=30)

def until(true, seconds=120):
    "Wait for something outside the page; how long it took, in s."
    began = time.monotonic()
    while time.monotonic()-began < seconds:
        if true(): return time.monotonic()-began
        time.sleep(.1)
    pytest.fail(f"not within {seconds} s")

@pytest.fixture(scope='module')
def app(tmp_path_factory):
    running = App(tmp_path_factory.mktemp('app'))
    yield running
    if running.process.poll() is None:
        running.end()

@pytest.fixture
def opened(browser, app):
    "A page of the app, on which nothing goes wrong and nothing is refused by its policy."
    context = browser.new_context(viewport=dict(width=1400, height=1000))
    page = context.new_page()
    page.set_default_timeout(120_000)
    wrong,elsewhere = [],[]
    page.on('pageerror', lambda e: wrong.append(str(e)))
    # Voila's page asks for a font of icons from elsewhere: it is refused, and not used
    page.on('console', lambda m: wrong.append(m.text) if 'Content Security Policy' in m.text and 'fontawesome' not in m.text else None)
    page.on('requestfinished', lambda r: elsewhere.append(r.url) if not re.match(r'(http|ws)://127\.0\.0\.1|data:|blob:', r.url) else None)
    policy = page.goto(app.url).headers['content-security-policy']
    assert "default-src 'self'" in policy and 'unsafe-eval' not in policy
    page.get_by_role('button', name='Choose a recording').wait_for()
    yield page
    context.close()
    assert not wrong, wrong
    assert not elsewhere, elsewhere

def example(page):
    "Open the example and wait for its sounds."
    page.get_by_role('button', name='Try an example').click()
    says(page, 'example.wav: 4.0 s')
    page.locator('.ws-work').wait_for(state='hidden')

def test_the_example_is_heard_and_speech_taken_out(opened):
    example(opened)
    look(opened, 'app_example')
    opened.get_by_role('button', name='Enhance: speech only').click()
    says(opened, '--keep Speech')
    opened.locator('[data-name=Speech] .ws-alone:not([disabled])').wait_for(timeout=120_000)   # the page's policy allows no `eval`
    look(opened, 'app_enhanced')
    opened.get_by_label('What to download').select_option('mix')
    with opened.expect_download() as got:
        opened.get_by_role('button', name='Download').click()
    assert got.value.suggested_filename=='example (mix).wav'

def test_F1_axe_finds_nothing_in_the_app(opened):
    example(opened)
    assert faults(opened)==[]

def test_C7_a_reload_gives_back_file_and_faders(opened, tmp_path):
    from doubles import band_scene
    from weakse.core.audio import save_audio
    sound = save_audio(tmp_path/'mine.wav', .5*band_scene()[:32000], 16000)
    with opened.expect_file_chooser() as chooser:
        opened.get_by_role('button', name='Choose a recording').click()
    chooser.value.set_files(sound)
    says(opened, 'mine.wav: 2.0 s')
    opened.locator('.ws-work').wait_for(state='hidden')
    opened.get_by_role('button', name='Enhance: speech only').click()      # a sound that was not heard
    says(opened, '--keep Speech')
    fader = opened.get_by_role('group', name='Speech', exact=True).get_by_role('slider')
    fader.fill('-12')
    says(opened, 'Speech=-12')
    opened.reload()
    says(opened, 'mine.wav: 2.0 s')
    says(opened, 'Speech=-12')
    assert fader.get_attribute('aria-valuetext')=='-12 dB'
    assert opened.get_by_role('button', name='Speech, keep').get_attribute('aria-pressed')=='true'

def test_C6_a_closed_page_leaves_no_kernel(browser, app):
    until(lambda: len(app.kernels())==1)                              # the one that is kept ready
    page = browser.new_page()
    page.set_default_timeout(120_000)
    page.goto(app.url)
    page.get_by_role('button', name='Choose a recording').wait_for()
    until(lambda: len(app.kernels())==2)
    page.close()
    assert until(lambda: len(app.kernels())==1)<15                    # 5 s on a machine that is not busy

def test_F3_a_server_that_is_gone_is_said(opened, app):
    banner = opened.get_by_text('The server does not answer')
    assert not banner.is_visible()
    app.end()
    banner.wait_for()
    look(opened, 'app_gone')

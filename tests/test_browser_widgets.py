"""The class picker, the comparison and the app in a browser: clicked as a person would, in Voila, in
JupyterLab, and on a page without a kernel."""
import os, re, subprocess, sys
from pathlib import Path
import pytest
# the machinery; two of these are fixtures
from test_browser_mixer import browser, lab, look, notebook, page, pytestmark, says, voila

sounds_cell = """
import torch
sr = 16000
t = torch.arange(4*sr)/sr
voice = .12*sum(torch.sin(2*torch.pi*k*(130*t + 3*torch.sin(5*t)))/k for k in range(1, 30))*(torch.sin(8*t)>-.3)
rain = .04*torch.randn(4*sr, generator=torch.Generator().manual_seed(0))"""

picker_cell = """
from weakse.core.labels import Vocabulary
from weakse.core.ontology import Ontology
from weakse.app.class_picker import ClassPicker
tree = dict(Animal=['Dog','Cat'], Dog=['Bark','Howl'], Human=['Speech','Cough'], Weather=['Rain','Wind'])
names = list(dict.fromkeys([*tree, *sum(tree.values(), [])]))
zoo = Ontology([dict(id=n.lower(), name=n, child_ids=[c.lower() for c in tree.get(n, [])]) for n in names])
classes = [n for n in names if n not in ('Animal','Human','Weather')] + [f'Machine {i}' for i in range(40)]
ClassPicker(Vocabulary(classes, [c.lower() for c in classes]), zoo)"""

comparison_cell = """
from weakse.app.comparison import Comparison
Comparison(voice+rain, voice+.1*rain, sr, uploads=True)"""

@pytest.fixture(autouse=True)
def patience(request):
    "Busy machines are slow: nothing waits for longer than it must, but a text may take three minutes."
    if 'page' in request.fixturenames:
        request.getfixturevalue('page').set_default_timeout(180_000)

def stop(server):
    "End a server, in the end by force."
    server.terminate()
    try:
        server.communicate(timeout=60)
    except subprocess.TimeoutExpired:
        server.kill()
        server.communicate()

def pressed(page, name, line):
    return page.locator('.ws-row').filter(has_text=line).get_by_role('button', name=name)

def use_picker(page, name):
    "Open, search, pick by mouse and by keyboard, let go."
    from playwright.sync_api import expect
    says(page, 'Nothing picked yet.')
    look(page, f'{name}_fresh')
    page.get_by_role('button', name='Animal').click()
    says(page, 'Dog (3)')
    pressed(page, 'Take out', 'Dog (3)').click()
    says(page, '--drop Dog --drop Bark --drop Howl')
    search = page.get_by_placeholder('Search 48 sounds')
    search.fill('spee')
    # Human, and Speech below it
    expect(page.locator('.ws-row:visible')).to_have_count(2)
    # on from the field without a mouse: Human, its two buttons, Keep of Speech
    search.press('Tab')
    for _ in range(3):
        page.keyboard.press('Tab')
    if page.evaluate("document.activeElement.title")!='Keep: Speech':
        page.keyboard.press('Tab')
    assert page.evaluate("document.activeElement.title")=='Keep: Speech'
    page.keyboard.press('Space')
    says(page, 'keep=["Speech"], drop=["Dog", "Bark", "Howl"]')
    assert page.evaluate("document.activeElement.title")=='Keep: Speech'                # the focus stays
    look(page, f'{name}_picked')
    search.fill('speach')
    says(page, 'No sound is called “speach”')
    page.get_by_role('button', name='Keep: Speech ×').click()
    says(page, 'drop=["Dog", "Bark", "Howl"])')
    expect(page.get_by_text('keep=[')).to_have_count(0)
    page.get_by_role('button', name='Clear all').click()
    says(page, 'Nothing picked yet.')
    search.fill('')
    page.get_by_role('button', name='Show more').click()
    says(page, 'Machine 39')

def position(page, name):
    return page.evaluate(f"document.querySelector('audio[aria-label=\"{name}\"]').currentTime")

def use_players(page, name):
    "Play, switch while it plays, other loudness, by mouse and by keyboard."
    page.wait_for_function("[...document.querySelectorAll('audio')].every(a => a.duration > 3.9)")
    assert page.locator('audio:visible').count()==1
    # slowly, or a busy machine finds it ended
    page.evaluate("document.querySelectorAll('audio').forEach(a => { a.muted = true; a.playbackRate = .1 })")
    # a click in the picture goes there
    page.locator('.ws-picture:visible').click(
        position=dict(x=page.locator('.ws-picture:visible').bounding_box()['width'] / 2, y=20))
    page.wait_for_function("Math.abs(document.querySelector('audio[aria-label=Before]').currentTime-2) < .1")
    page.evaluate("document.querySelector('audio[aria-label=Before]').play()")
    page.wait_for_function("document.querySelector('audio[aria-label=Before]').currentTime > 2.05")
    page.get_by_text('Removed', exact=True).click()
    page.wait_for_function(
        "document.querySelector('audio[aria-label=Before]').paused && "
        "!document.querySelector('audio[aria-label=Removed]').paused")
    # the place was carried over
    assert position(page, 'Removed')>2.02
    # the switch is a group of radio buttons
    page.keyboard.press('ArrowLeft')
    page.wait_for_function("!document.querySelector('audio[aria-label=After]').paused")
    assert page.locator('audio:visible').get_attribute('aria-label')=='After'
    same = page.get_by_label('Same loudness')
    assert page.evaluate("[...document.querySelectorAll('audio')].every(a => a.volume == 1)")
    same.uncheck()
    page.wait_for_function("document.querySelector('audio[aria-label=Removed]').volume < .9")
    same.check()
    page.wait_for_function("document.querySelector('audio[aria-label=Removed]').volume == 1")
    look(page, name)

def drop(page, path, field):
    "Let a file fall on a field, as a browser reports it."
    import base64
    data = page.evaluate_handle(
        """([name, text]) => { const d = new DataTransfer(); d.items.add(new File([Uint8Array.from(atob(text), c => c.charCodeAt(0))], name)); return d }""",
        [path.name, base64.b64encode(path.read_bytes()).decode()],
    )
    page.locator('.ws-drop').filter(has_text=field).dispatch_event('drop', dict(dataTransfer=data))

def use_uploads(page, folder):
    "A bad file, then two good ones: one dropped, one chosen."
    import torch
    from weakse.core.audio import save_audio
    t = torch.arange(3*22050)/22050
    (folder/'page.wav').write_text('<html>not found</html>')
    before, after = (
        save_audio(folder / f'{n} ä.wav', g * torch.sin(2 * torch.pi * 440 * t), 22050)
        for n, g in (('loud', 0.5), ('soft', 0.05)))
    drop(page, folder/'page.wav', 'Before')
    says(page, 'page.wav: it is a web page, not audio')
    drop(page, before, 'Before')
    page.wait_for_function("document.querySelectorAll('audio')[0].duration < 3.5")
    with page.expect_file_chooser() as chooser:
        page.get_by_role('button', name='Choose “After”').click()
    chooser.value.set_files(after)
    says(page, 'After is 20 dB quieter')

@pytest.mark.parametrize('theme', ['light','dark'])
def test_in_voila(page, tmp_path, theme):
    notebook(tmp_path, sounds_cell, picker_cell, comparison_cell)
    with voila(tmp_path) as server:
        page.goto(f'{server.url}/?theme={theme}')
        use_picker(page, f'picker_voila_{theme}')
        use_players(page, f'comparison_voila_{theme}')
        use_uploads(page, tmp_path)

@pytest.mark.parametrize('dark', [False, True])
def test_in_jupyterlab(page, tmp_path, dark):
    notebook(tmp_path, sounds_cell, picker_cell, comparison_cell)
    with lab(tmp_path, dark) as server:
        page.goto(f'{server.url}/lab/tree/page.ipynb')
        # before that the menu has other items
        page.locator('.jp-Notebook .jp-Cell').first.wait_for()
        says(page, 'ClassPicker(')
        # the kernel is there: widgets can talk to it
        says(page, '| Idle')
        page.get_by_role('menuitem', name='Run', exact=True).click()
        page.get_by_role('menuitem', name='Run All Cells', exact=True).click()
        name = f"lab_{'dark' if dark else 'light'}"
        use_picker(page, f'picker_{name}')
        page.locator('.ws-players').scroll_into_view_if_needed()
        use_players(page, f'comparison_{name}')

@pytest.mark.parametrize('width', [1000, 400])
def test_without_a_kernel(browser, tmp_path, width):
    """Static players on a page from the disk, as wide as a screen and as a telephone; nothing is asked of the
    network."""
    here = {}
    exec(sounds_cell, here)
    from weakse.app.players import static_players
    players = static_players(
        {'Before': here['voice'] + here['rain'], 'After': here['voice'], 'Removed': here['rain']}, here['sr'],
        title='Rain taken out')
    (tmp_path / 'page.html').write_text(
        '<!doctype html><meta charset="utf-8"><meta name="viewport" content="width=device-width"><meta '
        f'name="color-scheme" content="light dark"><body>{players.data}',
        encoding='utf-8')
    for scheme in ('light','dark'):
        page,asked = browser.new_page(viewport=dict(width=width, height=500), color_scheme=scheme),[]
        page.on('request', lambda r: asked.append(r.url))
        page.goto((tmp_path/'page.html').as_uri())
        use_players(page, f'static_{width}_{scheme}')
        assert page.evaluate('document.documentElement.scrollWidth')<=width
        assert all(u.startswith(('file:','data:')) for u in asked)
        page.close()

def test_app(page, tmp_path):
    "`serve` where nothing was trained: what can work works, the rest says what it lacks."
    env = os.environ | dict(
        PYTHONPATH=os.pathsep.join(
            [str(Path(__file__).resolve().parents[1]), os.environ.get('PYTHONPATH', '')]),
        OMP_NUM_THREADS='1',
        JUPYTER_PLATFORM_DIRS='1',
    )
    server = subprocess.Popen(
        [sys.executable, '-c', 'from weakse.app.server import serve; serve(open_browser=False)'],
        cwd=tmp_path, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        url = re.search(r'http://\S+', server.stdout.readline())[0]
        while 'running at' not in server.stdout.readline():
            pass
        fetched = []
        page.on('response', lambda r: fetched.append(r.url))
        page.emulate_media(color_scheme='dark')
        page.goto(url)
        page.get_by_placeholder('Search 527 sounds').fill('rain')
        pressed(page, 'Take out', 'Raindrop').click()
        says(page, '--drop Raindrop')
        look(page, 'app_dark')
        # the page follows the system, at once
        page.emulate_media(color_scheme='light')
        page.wait_for_function("document.body.dataset.jpThemeLight == 'true'")
        page.get_by_role('button', name='Compare').focus()
        page.keyboard.press('Enter')
        says(page, 'Compared with Before')
        look(page, 'app_compare')
        page.get_by_role('button', name='Mixer').click()
        says(page, 'make repro')
        page.get_by_role('button', name='Anchor audit').click()
        says(page, 'makes everything that is needed here')
        page.get_by_role('button', name='Pick sounds').click()
        # a part that was left is as it was
        says(page, '--drop Raindrop')
        # nothing came from elsewhere
        assert all(u.startswith((url.partition('?')[0], 'data:', 'blob:')) for u in fetched), fetched
    finally:
        stop(server)

"""The workbench in a browser, line by line of what it must do: both sides are the real ones, in a host of a hundred
lines (`widget_host`); what only Voila or JupyterLab can break is at the end."""
import base64, json, shutil, subprocess, threading, time
from pathlib import Path
import pytest
from browsers import browser, doubles, faults, lab, look, needs_browser, notebook, notebook_page, says

pytestmark = needs_browser
SCENE = 'recording.wav'

@pytest.fixture(scope='module')
def host():
    "A workbench with a recording of three sounds."
    from doubles import BandDetector, band_scene, band_system
    from weakse.app.workbench import Workbench
    from widget_host import Host
    bench = Workbench(.5*band_scene(), 16000, band_system(), BandDetector())
    host = Host(bench)
    bench.wait(120)
    yield host
    host.close()
    bench.close()

@pytest.fixture(scope='module')
def opened(browser, host):
    "The page; an error of its script fails the test that it happens in."
    page = browser.new_page(viewport=dict(width=1400, height=1000))
    page.set_default_timeout(60_000)
    page.wrong = []
    page.on('pageerror', lambda e: page.wrong.append(str(e)))
    page.goto(host.url)
    says(page, 'Heard:')
    yield page
    page.close()

@pytest.fixture
def page(opened, host):
    "The page as it was at first: no sound moved, light, wide."
    from doubles import band_scene
    opened.set_viewport_size(dict(width=1400, height=1000))
    if host.bench.name!=SCENE:
        host.bench.open(.5*band_scene(), 16000)
        host.bench.wait(120)
        says(opened, f'{SCENE}: 4.0 s')
    opened.get_by_role('button', name='All to 0 dB').click()
    opened.wait_for_function("!document.querySelector('.ws-alone').disabled")
    yield opened
    assert not opened.wrong, opened.wrong

def files(page, path):
    "Choose a file in the dialogue."
    with page.expect_file_chooser() as chooser:
        page.get_by_role('button', name='Choose a recording').click()
    chooser.value.set_files(path)

def drop(page, path):
    "Let a file fall on the widget, as a browser reports it."
    data = page.evaluate_handle(
        """([name, text]) => { const d = new DataTransfer(); d.items.add(new File([Uint8Array.from(atob(text),
        c => c.charCodeAt(0))], name)); return d }""",
        [path.name, base64.b64encode(path.read_bytes()).decode()])
    page.locator('.ws-bench').dispatch_event('drop', dict(dataTransfer=data))

@pytest.fixture(scope='module')
def talk(tmp_path_factory):
    "Two seconds of stereo."
    import torch
    from doubles import band_scene
    from weakse.core.audio import save_audio
    scene = band_scene()[:32000]
    return save_audio(tmp_path_factory.mktemp('talk')/'my <b>talk<br>.wav', torch.stack([scene, scene.flip(0)]), 16000)

# ---- hear and mix
def test_M3_M4_a_fader_says_its_level_and_moves_are_undone(page):
    hum = page.get_by_role('group', name='Hum', exact=True).get_by_role('slider')
    hum.focus()
    for _ in range(6):
        page.keyboard.press('ArrowLeft')
    assert hum.get_attribute('aria-valuetext')=='-6 dB'          # M3
    says(page, '--gain Hum=-6')                                   # O3
    page.keyboard.press('0')
    assert hum.get_attribute('aria-valuetext')=='0 dB'            # M4
    page.get_by_role('button', name='Undo').click()
    assert hum.get_attribute('aria-valuetext')=='-6 dB'
    page.keyboard.press('Control+y')
    assert hum.get_attribute('aria-valuetext')=='0 dB'

def test_P6_a_pick_is_a_fader_and_M5_keys_press(page, host):
    out = page.get_by_role('button', name='Hum, take out')
    out.focus()
    page.keyboard.press('m')
    says(page, '--drop Hum')
    assert out.get_attribute('aria-pressed')=='true'
    page.keyboard.press('s')
    assert page.get_by_role('button', name='Hum, keep').get_attribute('aria-pressed')=='true'
    says(page, '--keep Hum')
    assert host.desk.faders['soloed']==['Hum']

def test_O4_one_button_leaves_speech(page, host):
    page.get_by_role('button', name='Enhance: speech only').click()
    says(page, '--keep Speech')

def test_M2_a_fader_is_wide_enough_everywhere(page):
    for width in (320, 390, 700, 1024, 1400):
        page.set_viewport_size(dict(width=width, height=900))
        page.wait_for_function("innerWidth==%d" % width)
        boxes = [f.bounding_box()['width'] for f in page.locator('.ws-fader').all()]
        assert min(boxes)>=119.5, (width, boxes)
        assert page.evaluate('document.documentElement.scrollWidth')<=width
        look(page, f'workbench_{width}')

def test_H2_keys_play_switch_and_loop(page):
    page.locator('.ws-area').focus()
    page.keyboard.press('l')                                      # a slow machine must not find it ended
    page.keyboard.press('Space')
    page.get_by_role('button', name='Pause', exact=True).wait_for()
    for key,name in (('a', 'Before'), ('r', 'Removed'), ('b', 'Mix')):
        page.keyboard.press(key)
        assert page.get_by_role('button', name=name, exact=True).get_attribute('aria-pressed')=='true'
    assert page.get_by_role('button', name='Loop', exact=True).get_attribute('aria-pressed')=='true'
    page.keyboard.press('Space')
    page.get_by_role('button', name='Play', exact=True).wait_for()
    page.keyboard.press('l')
    before = float(page.locator('.ws-area').get_attribute('aria-valuenow'))
    page.keyboard.press('ArrowLeft')
    assert float(page.locator('.ws-area').get_attribute('aria-valuenow'))<=max(0, before-.9)

def test_H3_a_drag_loops_and_the_axes_reach_the_end(page):
    box = page.locator('.ws-area').bounding_box()
    page.mouse.move(box['x']+.25*box['width'], box['y']+50)
    page.mouse.down()
    page.mouse.move(box['x']+.5*box['width'], box['y']+50, steps=4)
    page.mouse.up()
    assert page.locator('.ws-region').is_visible()
    assert page.locator('.ws-hz span').last.inner_text()=='8 kHz'
    page.get_by_role('button', name='Zoom in').click()
    page.wait_for_function("document.querySelectorAll('.ws-ticks span').length>3")
    page.get_by_role('button', name='Zoom out').click()
    page.get_by_role('button', name='Loop', exact=True).click()
    assert not page.locator('.ws-region').is_visible()

# ---- pick
def walk(page):
    "A list by keys: down from the search, Enter picks, Home and End, one tab stop."
    field = page.get_by_label('Search all sounds')
    field.fill('hum')
    field.press('ArrowDown')
    assert page.evaluate("document.activeElement.getAttribute('aria-label')")=='Hum, leave'
    page.keyboard.press('Enter')
    page.keyboard.press('Enter')
    assert page.evaluate("document.activeElement.getAttribute('aria-label')")=='Hum, take out'
    page.keyboard.press('End')
    page.keyboard.press('Home')
    assert page.evaluate("document.activeElement.getAttribute('aria-label')")=='Hum, take out'
    assert page.locator('.ws-tree [tabindex="0"]').count()==1
    field.fill('')

def test_P2_the_search_names_the_nearest_first_and_P7_keys_walk(page):
    field = page.get_by_label('Search all sounds')
    for query,first in (('hum', 'Hum'), ('phone', 'Telephone'), ('cat', 'Cat'), ('car', 'Car'), ('bell', 'Bell'),
                        ('barking', 'Bark'), ('talking', 'Speech'), ('person', 'Speech')):
        field.fill(query)
        assert page.locator('.ws-entry').first.get_attribute('aria-label').startswith(f'{first},'), query
    walk(page)

def test_P3_the_tree_by_a_switch_and_P5_a_group_is_mixed(page):
    page.get_by_role('button', name='Hum, take out').click()
    page.get_by_role('button', name='Show as tree').click()
    labels = page.locator('.ws-entry').evaluate_all("all => all.map(e => e.getAttribute('aria-label'))")
    assert 'Source-ambiguous sounds, take out' in labels or any('mixed' in l for l in labels), labels
    page.get_by_role('button', name='Show as tree').click()

def test_P4_what_the_system_does_not_know_says_so(page):
    page.get_by_label('Search all sounds').fill('piano')
    page.locator('.ws-entry').first.click()
    says(page, 'The system does not know Piano')
    page.get_by_label('Search all sounds').fill('')

# ---- load
def drop_watched(page, path):
    "Let a file fall; from then on nothing of the old one is named, drawn or played (L4), seen every 50 ms."
    page.evaluate("""() => { window.seen = []; const visible = (s) => document.querySelector(s)?.checkVisibility();
        document.querySelector('.ws-bench').addEventListener('drop', () => { window.watch = setInterval(() => {
        if (!visible('.ws-work')) return;
        const shown = document.querySelector('.ws-bench').innerText;
        window.seen.push([shown.includes('recording.wav: 4.0 s'), visible('.ws-desk') && !shown.includes('my <b>talk')]) }, 50) }, { once: true }) }""")
    drop(page, path)
    says(page, 'my <b>talk<br>.wav: 2.0 s, 16 kHz, 2 channels')   # a name is text
    page.evaluate("clearInterval(window.watch)")
    assert not any(name or drawn for name,drawn in page.evaluate("window.seen"))

def test_L2_L4_L5_L6_files(page, host, talk, tmp_path):
    drop_watched(page, talk)                                      # L1
    host.bench.wait(120)
    (tmp_path/'page.wav').write_text('<html>not found</html>')
    files(page, tmp_path/'page.wav')
    says(page, 'web page')
    assert page.get_by_text('my <b>talk<br>.wav: 2.0 s').is_visible()
    take = host.desk.take
    files(page, talk)
    page.wait_for_function("() => document.querySelector('.ws-problem[role=alert]:not([hidden])')===null")
    end = time.monotonic()+60
    while host.desk.take==take and time.monotonic()<end:
        page.wait_for_timeout(100)
    assert host.desk.take==take+1

# ---- out
def test_O1_downloads(page, host, tmp_path):
    import soundfile as sf
    page.get_by_role('button', name='Hum, take out').click()
    says(page, '--drop Hum')
    for what,name in (('mix', 'recording (mix).wav'), ('settings', 'recording (settings).json')):
        page.get_by_label('What to download').select_option(what)
        with page.expect_download() as got:
            page.get_by_role('button', name='Download').click()
        assert got.value.suggested_filename==name
        got.value.save_as(tmp_path/name)
    assert sf.info(tmp_path/'recording (mix).wav').samplerate==16000
    assert json.loads((tmp_path/'recording (settings).json').read_text())['muted']==['Hum']

def test_without_web_audio_lines_and_downloads_remain(browser, page, host, tmp_path):
    import soundfile as sf
    mute = browser.new_page(viewport=dict(width=1400, height=1000))
    mute.set_default_timeout(60_000)
    mute.add_init_script("delete window.AudioContext; delete window.webkitAudioContext")
    mute.goto(host.url)
    says(mute, 'it has no Web Audio')
    assert mute.get_by_role('button', name='Play', exact=True).is_disabled()
    says(mute, 'Heard:')
    mute.get_by_role('button', name='Hum, take out').click()
    says(mute, '--drop Hum')
    mute.get_by_label('What to download').select_option('mix')
    with mute.expect_download() as got:
        mute.get_by_role('button', name='Download').click()
    got.value.save_as(tmp_path/'mix.wav')
    assert sf.info(tmp_path/'mix.wav').duration==4
    look(mute, 'without_web_audio')
    mute.close()

def test_a_video_without_sound_a_silence_and_a_class_twice(page, host, tmp_path):
    import numpy as np, soundfile as sf
    if not shutil.which('ffmpeg'): pytest.skip("needs ffmpeg to make a video")
    make = 'ffmpeg -v error -f lavfi -i testsrc=duration=1:size=64x64:rate=5 -pix_fmt yuv420p'.split()
    subprocess.run([*make, str(tmp_path/'film.mp4')], check=True)
    files(page, tmp_path/'film.mp4')
    says(page, 'film.mp4 holds no sound that this browser can read. Save it as wav, flac or mp3')
    assert page.get_by_text(f'{SCENE}: 4.0 s').is_visible()           # the earlier state, under its own name
    before = page.locator('.ws-sound').count()
    page.get_by_label('Search all sounds').fill('hum')
    page.locator('.ws-entry').first.click()
    page.get_by_label('Search all sounds').fill('')
    assert host.bench.wait(120)
    names = [s['name'] for s in host.desk.sounds]
    assert len(names)==len(set(names)) and page.locator('.ws-sound').count()==before, names
    sf.write(tmp_path/'silence.wav', np.zeros(32000), 16000)
    files(page, tmp_path/'silence.wav')
    says(page, 'silence.wav: 2.0 s')
    assert host.bench.wait(120)
    says(page, 'It is silent: every sample is zero. Check the microphone')
    look(page, 'silence')

def test_O2_the_files_are_those_of_the_shown_line(page, host, tmp_path):
    import numpy as np, soundfile as sf
    from doubles import BandDetector, band_scene, band_system
    from weakse.core.audio import save_audio
    from weakse.inference.extract_files import extract_file
    page.get_by_role('button', name='Hum, take out').click()
    says(page, 'weakse extract recording.wav -o out --drop Hum')
    made = dict(mix=tmp_path/'kept.wav', removed=tmp_path/'removed.wav')
    sound = save_audio(tmp_path/'recording.wav', .5*band_scene(), 16000, subtype='FLOAT')
    extract_file(sound, made['mix'], made['removed'], drop=['Hum'], system=band_system(), detector=BandDetector())
    for what,name in made.items():
        page.get_by_label('What to download').select_option(what)
        with page.expect_download() as got:
            page.get_by_role('button', name='Download').click()
        got.value.save_as(tmp_path/'got.wav')
        assert np.abs(sf.read(tmp_path/'got.wav')[0]-sf.read(name)[0]).max()<1e-4     # -80 dBFS
        page.locator('.ws-work').wait_for(state='hidden')

def test_H4_equally_loud_unless_one_asks(page):
    def loudest():
        "Of what the meter shows for a second, in dBFS."
        seen = []
        for _ in range(20):
            page.wait_for_timeout(50)
            seen.append(float(page.get_by_role('meter').get_attribute('aria-valuenow')))
        return max(seen)
    same = page.get_by_label('Same loudness')
    assert same.is_checked()
    page.get_by_role('group', name='Hum', exact=True).get_by_role('slider').fill('-1')   # so little is removed
    page.locator('.ws-area').focus()
    page.keyboard.press('l')
    page.keyboard.press('r')
    page.keyboard.press('Space')
    page.get_by_role('button', name='Pause', exact=True).wait_for()
    matched = loudest()
    same.uncheck()
    page.wait_for_timeout(300)
    true = loudest()
    same.check()
    page.get_by_role('button', name='Pause', exact=True).click()
    page.get_by_role('button', name='Loop', exact=True).click()
    assert true<matched-6, (true, matched)

# ---- face
def test_F1_nothing_is_unnamed_and_F5_words_for_people(page):
    unnamed = page.evaluate("""() => [...document.querySelectorAll('.ws-bench button, .ws-bench input:not([hidden]), .ws-bench select, .ws-bench [role=slider], .ws-bench [role=meter], .ws-bench progress')]
        .filter(e => !(e.getAttribute('aria-label') || e.textContent.trim() || e.labels?.length)).map(e => e.outerHTML)""")
    assert unnamed==[]
    assert '`' not in page.locator('.ws-bench').inner_text()

@pytest.mark.parametrize('scheme', ['light', 'dark'])
@pytest.mark.parametrize('width', [320, 390, 1400])
def test_F1_axe_finds_nothing(page, width, scheme):
    page.set_viewport_size(dict(width=width, height=900))
    page.evaluate("light => document.body.dataset.jpThemeLight = light", str(scheme=='light').lower())
    page.get_by_role('button', name='Hum, take out').click()
    page.get_by_role('button', name='Speech, keep').click()
    says(page, '--keep Speech')
    page.get_by_label('Search all sounds').fill('piano')
    page.locator('.ws-entry').first.click()
    says(page, 'The system does not know Piano')
    look(page, f'workbench_{width}_{scheme}_search')
    assert faults(page)==[]
    page.get_by_label('Search all sounds').fill('')
    page.get_by_role('button', name='Show as tree').click()
    page.locator('.ws-entry').first.wait_for()
    found = faults(page)
    page.get_by_role('button', name='Show as tree').click()
    page.evaluate("document.body.dataset.jpThemeLight = 'true'")
    assert found==[]

# ---- load, compute and hear
@pytest.mark.parametrize('suffix', ['mp3', 'flac', 'ogg', 'webm', 'm4a'])
def test_L2_kinds_of_files(page, tmp_path, talk, suffix):
    path = tmp_path/f'talk.{suffix}'
    if suffix in ('webm', 'm4a'):                                 # these the browser decodes
        codec,kind = dict(webm=('libopus', 'audio/webm; codecs=opus'), m4a=('aac', 'audio/mp4; codecs="mp4a.40.2"'))[suffix]
        if not page.evaluate("kind => new Audio().canPlayType(kind)", kind): pytest.skip(f"this browser knows no {codec}")
        if not shutil.which('ffmpeg'): pytest.skip("no ffmpeg on this machine")
        subprocess.run(['ffmpeg', '-v', 'error', '-i', talk, '-c:a', codec, path], check=True)
    else:
        import soundfile as sf
        sf.write(path, *sf.read(talk))
    files(page, path)
    says(page, f'talk.{suffix}: 2.')
    page.locator('.ws-work').wait_for(state='hidden')

def test_L3_an_upload_says_how_far_it_is(page, host):
    said = page.evaluate("""() => { const d = new DataTransfer(); d.items.add(new File([new Uint8Array(60e6)], 'large.wav'));
        document.querySelector('.ws-bench').dispatchEvent(new DragEvent('drop', { dataTransfer: d, bubbles: true, cancelable: true }));
        return document.querySelector('.ws-stage').textContent }""")
    assert said=='Uploading large.wav'                            # at once
    page.wait_for_function("/Uploading large.wav, [1-9][0-9]? %/.test(document.querySelector('.ws-stage').textContent)")
    assert not page.get_by_text(f'{SCENE}: 4.0 s').is_visible()   # L4
    page.get_by_text('large.wav').and_(page.locator('[role=alert]')).wait_for()
    assert page.get_by_text(f'{SCENE}: 4.0 s').is_visible()       # L5: the earlier state

def test_L7_the_microphone(page):
    page.get_by_role('button', name='Record', exact=True).click()
    stop = page.get_by_role('button', name='Stop recording')
    stop.wait_for()
    page.wait_for_function("began => performance.now() > began + 700", arg=page.evaluate("performance.now()"))
    stop.click()
    says(page, 'recording.webm: ')
    page.locator('.ws-work').wait_for(state='hidden')

class Gate:
    "Ears that hear nothing before they are let; called off, they end."
    def __init__(self, ears):
        self.ears,self.open = ears,threading.Event()
    def __getattr__(self, name):
        return getattr(self.ears, name)
    def framewise(self, wav):
        import torch
        while not self.open.wait(.02): torch.nn.Identity()(wav)
        return self.ears.framewise(wav)

def test_C2_C3_C4_work_is_seen_called_off_and_heard_meanwhile(page, host):
    from doubles import band_scene
    ears = host.bench.ears
    host.bench.ears = Gate(ears)
    try:
        host.bench.open(.5*band_scene(), 16000, 'long.wav')
        says(page, 'long.wav: 4.0 s')
        says(page, 'Listening to it')                             # C2
        assert page.get_by_role('progressbar').is_visible()
        page.get_by_role('button', name='Play', exact=True).click()
        page.get_by_role('button', name='Pause', exact=True).click()   # C4: heard before anything is taken out
        page.get_by_role('button', name='Cancel').click()
        says(page, 'Stopped. The recording can be heard')         # C3
        assert host.bench.job.state=='cancelled' and host.bench.apart is None
    finally:
        host.bench.ears.open.set()
        host.bench.ears = ears

def test_P1_a_name_plays_its_surest_second(page):
    name = page.get_by_role('button', name='Hum, probability 1.00, play its surest second')
    name.focus()
    page.keyboard.press('Enter')
    page.get_by_role('button', name='Pause', exact=True).wait_for()
    page.get_by_role('button', name='Play', exact=True).wait_for()     # by itself
    assert page.get_by_role('button', name='Hum, hear it alone').get_attribute('aria-pressed')=='true'
    assert float(page.locator('.ws-area').get_attribute('aria-valuenow'))<2.1

def test_M6_too_loud_is_said(page, host):
    from doubles import band_scene
    host.bench.open(3*band_scene(), 16000, 'loud.wav')                # peaks at -1 dBFS
    says(page, 'loud.wav: 4.0 s')
    assert host.bench.wait(120)
    page.wait_for_function("document.querySelector('.ws-alone')?.disabled===false")
    page.get_by_label('Same loudness').uncheck()
    for fader in page.locator('.ws-fader').all():
        fader.fill('12')
    page.locator('.ws-area').focus()
    page.keyboard.press('l')                                      # a slow machine must not find it ended
    page.keyboard.press('Space')
    over = page.get_by_role('button', name='Over 0 dBFS')
    over.wait_for()
    assert page.get_by_role('meter').get_attribute('aria-valuetext').endswith('dBFS')
    page.keyboard.press('Space')
    page.keyboard.press('l')
    over.click()
    page.get_by_label('Same loudness').check()

def test_M1_O3_H5_five_minutes_move_as_five_seconds(page, host):
    from doubles import band_scene
    host.bench.open(.5*band_scene().repeat(75), 16000, 'long.wav')
    says(page, 'long.wav: 5:00')
    assert host.bench.wait(300)
    page.wait_for_function("!document.querySelector('.ws-alone').disabled")
    kinds = {bytes(d[0])[:4] for m,d in host.bench.sent if m['type']=='part'}
    assert kinds=={b'OggS'}                                       # H5
    took = page.evaluate("""() => { const f = document.querySelector('[data-name=Hum] .ws-fader'), took = [];
        for (let db = -1; db > -12; db--) { const t = performance.now(); f.value = db;
            f.dispatchEvent(new Event('input')); took.push(performance.now() - t) }
        f.dispatchEvent(new Event('change')); return took.sort((a, b) => a - b) }""")
    assert took[len(took)//2]<50                                  # M1: what is heard is set by then
    says(page, '--gain Hum=-11')
    assert len(page.locator('.ws-ticks span').all())>3

# ---- in Voila and in JupyterLab
cell = doubles + """
from weakse.app.workbench import Workbench
from doubles import BandDetector, band_scene, band_system
bench = Workbench(.5*band_scene(), 16000, band_system(), BandDetector())
bench"""

@pytest.mark.parametrize('where', ['voila', 'lab'])
def test_L1_L4_P7_M8_in_a_notebook(browser, tmp_path, talk, where):
    with notebook_page(browser, tmp_path, where, cell) as (page, _):
        says(page, 'Heard:')
        walk(page)                                                # P7
        page.get_by_role('button', name='All to 0 dB').click()
        drop_watched(page, talk)                                  # L1, L4
        page.get_by_role('button', name='Hum, take out').focus()
        cells = page.locator('.jp-Cell').count()                  # to run the last one adds one
        page.keyboard.press('b')                                  # M8
        page.keyboard.press('m')
        says(page, '--drop Hum')
        assert page.locator('.jp-Cell').count()==cells
        look(page, f'workbench_{where}')

busy = doubles + """
import torch
from weakse.app.workbench import Workbench
from doubles import BandDetector, band_scene, band_system
class Slow(BandDetector):
    def framewise(self, wav):
        while True: torch.nn.Identity()(wav)
bench = Workbench(.5*band_scene(), 16000, band_system(), Slow())
bench"""

def test_C6_in_lab_a_kernel_that_is_shut_down_ends_its_work(browser, tmp_path):
    """In JupyterLab a closed page leaves its kernel, which is the person's and may hold an hour of work: so there the
    line is that nothing goes on once the kernel is shut down, however busy the workbench is."""
    import psutil
    with notebook_page(browser, tmp_path, 'lab', busy) as (page, server):
        says(page, 'Listening to it')
        def kernels():
            return [p for p in psutil.Process(server.process.pid).children(recursive=True) if 'ipykernel' in ' '.join(p.cmdline())]
        (kernel,) = kernels()
        page.evaluate("""async () => { const [{ id }] = await (await fetch('/api/kernels')).json();
            const token = document.cookie.match(/_xsrf=([^;]*)/)?.[1];
            await fetch('/api/kernels/' + id, { method: 'DELETE', headers: { 'X-XSRFToken': token } }) }""")
        psutil.wait_procs([kernel], timeout=20)
        assert not kernel.is_running()

def test_F2_make_lab_trusts_the_notebooks():
    "And none of them holds a widget, which without its kernel would be an error in the place of the figure."
    top = Path(__file__).parents[1]
    said = subprocess.run(['make', '-n', 'lab'], cwd=top, capture_output=True, text=True, check=True).stdout
    assert said.index('jupyter trust') < said.index('jupyter lab') and "git ls-files 'nbs/*.ipynb'" in said
    assert [p.name for p in top.glob('nbs/**/*.ipynb') if 'widget-view+json' in p.read_text()]==[]

def dead_controls(page):
    "What looks as if it could be used in an output: none of it works without a kernel and a script."
    outputs = page.locator('.jp-OutputArea-output')
    return outputs.locator('button, input, select, [role=slider], .widget-button').count()

def test_F2_an_untrusted_notebook_shows_figure_and_players(browser, tmp_path):
    "A workbench that somebody saved, opened by another person: not signed here, no kernel."
    from doubles import BandDetector, band_scene, band_system
    from weakse.app.workbench import Workbench
    bench = Workbench(.5*band_scene(), 16000, band_system(), BandDetector())
    bench.wait(120)
    bench.desk.faders = dict(bench.desk.faders, muted=['Hum'])
    data,_ = bench._repr_mimebundle_()
    assert 'application/vnd.jupyter.widget-view+json' in data
    notebook(tmp_path, 'bench')
    saved = json.loads((tmp_path/'page.ipynb').read_text())
    saved['cells'][0]['outputs'] = [dict(output_type='execute_result', data=data, metadata={}, execution_count=1)]
    (tmp_path/'page.ipynb').write_text(json.dumps(saved))
    bench.close()
    page = browser.new_page(viewport=dict(width=1280, height=1400))
    page.set_default_timeout(90_000)
    with lab(tmp_path, False) as server:
        page.goto(f'{server.url}/lab/tree/page.ipynb')
        says(page, 'Heard:')
        output = page.locator('.jp-OutputArea-output')
        assert output.get_by_role('img', name='Spectrogram of what is heard').is_visible()
        names = output.locator('audio').evaluate_all("all => all.map(a => a.getAttribute('aria-label') ?? a.closest('p, tr, div').innerText)")
        assert len(names)>=4 and all(any(n in name for name in names) for n in ('Before', 'After', 'Removed', 'Hum')), names
        assert dead_controls(page)==0
        assert page.get_by_text('--drop Hum').is_visible()
        look(page, 'workbench_untrusted')
    page.close()

"""The anchor audit in a browser, line by line of what it must do: both sides are the real ones in a small host
(`widget_host`), and once more as a person would click in Voila and in JupyterLab."""
import pytest
from browsers import browser, doubles, faults, look, needs_browser, notebook_page, says

pytestmark = needs_browser

made = """
import torch, pandas as pd
from pathlib import Path
from weakse.mining.detection import detect_anchors
from weakse.core.audio import save_audio
from weakse.app.audit_view import AuditView
from weakse.corpora.corpus import Corpus
from doubles import BandDetector
here,ears,t = Path(folder),BandDetector(),torch.arange(4*16000)/16000
for i in range(8):
    wav = .01*torch.randn(4*16000, generator=torch.Generator().manual_seed(i))
    wav += (.3*.5**i*torch.sin(2*torch.pi*(2500+200*i)*t) + .2*torch.sin(2*torch.pi*120*t))*((t>.2*i)&(t<.2*i+1.5))
    save_audio(here/'corpus'/'audio'/f'clip {i}.wav', wav, 16000)
table = pd.DataFrame(dict(file=[f'clip {i}.wav' for i in range(8)], labels=[['Hum','Whistle']]*8, split='train', seconds=4.))
corpus = Corpus(here/'corpus', table, ears.vocabulary, 16000, 'toy')
corpus.save()
store = detect_anchors(corpus, ears, here/'anchors', progress=False)
view = AuditView(store, ears, corpus, here/'audit.csv', 'Whistle', n=2)"""
audit_cell = f"{doubles}\nfolder = '.'{made}\nview"

@pytest.fixture(scope='module')
def world(tmp_path_factory):
    "Eight clips in which a whistle gets fainter, their anchors, and the folder of `audit.csv`."
    names = dict(folder=tmp_path_factory.mktemp('audit'))
    exec(made, names)
    return names

@pytest.fixture
def host(world):
    "An audit in which nobody has heard or judged anything."
    from widget_host import Host
    (world['here']/'audit.csv').unlink(missing_ok=True)
    host = Host(world['AuditView'](world['store'], world['ears'], world['corpus'], world['here']/'audit.csv', 'Whistle', n=2))
    yield host
    host.close()

@pytest.fixture
def page(browser, host):
    "The page; an error of its script fails the test, and so do two sounds at a time (A1)."
    page = browser.new_page(viewport=dict(width=1400, height=1000))
    page.set_default_timeout(30_000)
    wrong = []
    page.on('pageerror', lambda e: wrong.append(str(e)))
    page.add_init_script("""window.players = []; const Sound = window.Audio;
        window.Audio = function (...a) { const made = new Sound(...a); window.players.push(made); return made }""")
    page.goto(host.url)
    says(page, 'All sounds: 0 accepted, 0 rejected')
    yield page
    page.close()
    assert not wrong, wrong

def cards(page):
    return page.locator('.ws-card')
def place(card):
    "Where a curve is, in s."
    return float(card.locator('.ws-area').get_attribute('aria-valuenow'))
def is_playing(page, n):
    "Wait for the only card that plays."
    from playwright.sync_api import expect
    expect(cards(page).nth(n).get_by_role('button', name='Play the anchor')).to_have_text('Pause')
    expect(page.locator('.ws-play').get_by_text('Pause')).to_have_count(1)
def sounding(page):
    return page.evaluate("players.filter(a => !a.paused).length")

def test_A1_at_most_one_sound_at_a_time(page):
    for n in (0, 3, 1):
        cards(page).nth(n).get_by_role('button', name='Play the anchor').click()
        is_playing(page, n)
        assert sounding(page)==1
    page.get_by_label('Sound', exact=True).select_option('Hum')
    says(page, 'Hum: 0 accepted')
    assert sounding(page)==0 and page.locator('.ws-play').get_by_text('Pause').count()==0

def test_A2_a_class_without_a_mouse(page, world):
    from playwright.sync_api import expect
    cards(page).first.focus()
    names = [c.locator('b').inner_text() for c in cards(page).all()]
    page.keyboard.press('Space')
    is_playing(page, 0)
    page.keyboard.press('Space')
    expect(page.locator('.ws-play').get_by_text('Pause')).to_have_count(0)
    page.keyboard.press('a')
    says(page, 'Whistle: 1 accepted, 0 rejected')
    page.keyboard.press('End')
    expect(cards(page).last).to_be_focused()
    page.keyboard.press('r')
    says(page, 'Whistle: 1 accepted, 1 rejected')
    text = ''.join(f'{f},Whistle,{v}\n' for f,v in sorted({names[0]: 'accept', names[-1]: 'reject'}.items()))
    assert (world['here']/'audit.csv').read_text()=='file,class,verdict\n'+text
    page.keyboard.press('Home')
    page.keyboard.press('u')
    says(page, 'Whistle: 0 accepted, 1 rejected')
    page.keyboard.press('ArrowDown')
    expect(cards(page).nth(1)).to_be_focused()
    page.keyboard.press('ArrowUp')
    expect(cards(page).first).to_be_focused()
    assert page.locator('.ws-card[tabindex="0"]').count()==1

def test_A3_the_whole_clip_and_a_click_plays_there(page, host):
    card = cards(page).nth(2)
    anchor = host.desk.cards[2]
    box,window = (card.locator(e).bounding_box() for e in ('.ws-area', '.ws-curve rect'))
    length = anchor['length']
    assert length==4 and anchor['seconds']==2
    assert window['width']==pytest.approx(box['width']*anchor['seconds']/length, abs=2)      # the region
    assert window['x']-box['x']==pytest.approx(box['width']*anchor['start']/length, abs=2)
    assert card.locator('.ws-ticks span').last.inner_text()=='4 s'
    page.mouse.click(box['x']+.75*box['width'], box['y']+20)
    is_playing(page, 2)
    assert 3 <= place(card) < 3.9
    card.get_by_role('button', name='Play the whole').click()
    is_playing(page, 2)
    assert place(card) < 1
    card.get_by_role('button', name='Play the anchor').click()                               # paused
    card.get_by_role('button', name='Play the anchor').click()
    is_playing(page, 2)
    assert anchor['start']-.05 <= place(card) < anchor['start']+1

def test_A4_what_was_looked_at_and_the_next_unheard(page):
    from playwright.sync_api import expect
    says(page, '0 of 2 sounds looked at')
    says(page, '0 of 6 of these anchors heard')
    cards(page).first.focus()
    for n in range(6):
        page.keyboard.press('n')
        expect(cards(page).nth(n)).to_be_focused()
        page.keyboard.press('Space')
        says(page, f'{n+1} of 6 of these anchors heard')
    says(page, '1 of 2 sounds looked at')
    page.keyboard.press('n')                                      # from the last of a class to a class nobody has heard
    says(page, 'Hum: 0 accepted')
    expect(page.get_by_label('Sound', exact=True)).to_have_value('Hum')
    says(page, '0 of 6 of these anchors heard')

def test_A5_a_group_by_what_an_answer_teaches(page, world):
    heading = page.get_by_role('heading', name='Unsure: nearest to the threshold')
    group = heading.locator('xpath=following-sibling::div[1]').locator('.ws-card b')
    store = world['store']
    own = store.table[store.table['class']=='Whistle'].set_index('file').area
    files = group.all_inner_texts()
    threshold = store.vocabulary.thresholds
    far = (own-(.5 if threshold is None else threshold[store.vocabulary.index('Whistle')])).abs()
    assert len(files)==2 and far[files[0]] <= far[files[1]]
    others = set(own.index)-{c.locator('b').inner_text() for c in cards(page).all()}
    assert all(far[f] >= far[files[1]] for f in others)
    assert page.locator('.ws-curve line').count()==6              # the threshold is drawn

@pytest.mark.parametrize('scheme', ['light', 'dark'])
@pytest.mark.parametrize('width', [320, 390, 1400])
def test_F1_axe_finds_nothing_in_the_audit(page, width, scheme):
    page.set_viewport_size(dict(width=width, height=900))
    page.evaluate("light => document.body.dataset.jpThemeLight = light", str(scheme=='light').lower())
    cards(page).first.get_by_role('button', name='Accept').click()
    cards(page).last.get_by_role('button', name='Reject').click()
    says(page, 'Whistle: 1 accepted, 1 rejected')
    look(page, f'audit_{width}_{scheme}')
    assert page.evaluate('document.documentElement.scrollWidth')<=width
    assert faults(page)==[]

def use_audit(page, folder, name):
    "Reject, accept, take back, another class."
    from playwright.sync_api import expect
    says(page, 'All sounds: 0 accepted, 0 rejected')
    expect(cards(page)).to_have_count(6)
    best,worst = (cards(page).nth(i).locator('b').inner_text() for i in (0,5))
    cards(page).nth(5).get_by_role('button', name='Reject').click()
    says(page, 'Whistle: 0 accepted, 1 rejected')
    cards(page).nth(0).get_by_role('button', name='Accept').focus()
    page.keyboard.press('Enter')
    says(page, 'Whistle: 1 accepted, 1 rejected')
    text = f'file,class,verdict\n{best},Whistle,accept\n{worst},Whistle,reject\n'
    assert (folder/'audit.csv').read_text()==text
    look(page, f'{name}_decided')
    cards(page).nth(0).get_by_role('button', name='Undecided').click()
    says(page, 'Whistle: 0 accepted, 1 rejected')
    cards(page).nth(1).get_by_role('button', name='Play the anchor').click()
    is_playing(page, 1)
    page.get_by_label('Sound', exact=True).select_option('Hum')
    says(page, 'Hum: 0 accepted, 0 rejected. All sounds: 0 accepted, 1 rejected')

@pytest.mark.parametrize('where', ['voila', 'lab'])
def test_A2_in_a_notebook(browser, tmp_path, where):
    with notebook_page(browser, tmp_path, where, audit_cell) as (page, _):
        use_audit(page, tmp_path, f'audit_{where}')
        cells = page.locator('.jp-Cell').count()
        page.keyboard.press('a')                                  # a verdict, and no cell above in JupyterLab
        assert page.locator('.jp-Cell').count()==cells

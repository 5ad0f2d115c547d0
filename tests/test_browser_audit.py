"The anchor audit in a browser: clicked as a person would, in Voila and in JupyterLab."
import pytest
from browsers import browser, doubles, lab, look, needs_browser, notebook, page, run_cells, says, voila

pytestmark = needs_browser

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
    notebook(tmp_path, audit_cell)
    with voila(tmp_path) as server:
        page.goto(f'{server.url}/?theme={theme}')
        use_audit(page, tmp_path, f'audit_voila_{theme}')

@pytest.mark.parametrize('dark', [False, True])
def test_in_jupyterlab(page, tmp_path, dark):
    notebook(tmp_path, audit_cell)
    with lab(tmp_path, dark) as server:
        page.goto(f'{server.url}/lab/tree/page.ipynb')
        run_cells(page, 1)
        page.locator('.ws-cards').first.scroll_into_view_if_needed()
        use_audit(page, tmp_path, f"audit_lab_{'dark' if dark else 'light'}")

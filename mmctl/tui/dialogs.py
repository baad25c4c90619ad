"""What opens over a screen: every key, the question before something dangerous, the evidence behind a row."""

from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Input, Label, Markdown, Static

from mmctl.tui.actions import as_text
from mmctl.tui.evidence import Evidence


class HelpScreen(ModalScreen[None]):
    """Every action, from the one table."""

    AUTO_FOCUS = "#help"  # whatever is longer than the screen is scrolled by keys
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,q,question_mark,f1", "dismiss", "Close")]

    def compose(self) -> ComposeResult:
        with VerticalScroll(id="help", classes="dialog"):
            yield Static(Text(as_text()))


class ConfirmScreen(ModalScreen[bool]):
    """Asks for the account's name before something dangerous; anything else is a no."""

    AUTO_FOCUS = "#account"
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "dismiss(False)", "No")]

    def __init__(self, verb: str, engine: str, account: str) -> None:
        super().__init__()
        self.verb, self.engine, self.account = verb, engine, account

    def compose(self) -> ComposeResult:
        with Vertical(id="confirm", classes="dialog"):
            yield Label(f"{self.verb.upper()} {self.engine}")
            yield Label(f"Type the account's name ({self.account}) and press Enter; Esc leaves everything as it is.")
            yield Input(placeholder="account", id="account")

    def on_input_submitted(self, event: Input.Submitted) -> None:
        self.dismiss(event.value.strip() == self.account)


class EvidenceScreen(ModalScreen[None]):
    """What stands behind one row: its figures, what led to it, and what the runbook says to do."""

    AUTO_FOCUS = "#evidence"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,enter", "dismiss", "Close"),
        Binding("y", "yank", "Yank", tooltip="copy all of it"),
    ]

    def __init__(self, evidence: Evidence) -> None:
        super().__init__()
        self.evidence = evidence

    def compose(self) -> ComposeResult:
        with VerticalScroll(id="evidence", classes="dialog"):
            yield Label(self.evidence.title, id="evidence-title", markup=False)
            width = max((len(label) for label, _ in self.evidence.facts), default=0)
            lines = [f"{label:<{width}}  {value}" for label, value in self.evidence.facts]
            yield Static(Text("\n".join(lines)), id="evidence-facts")
            for section in self.evidence.sections:
                yield Label(section.title, classes="evidence-section", markup=False)
                yield Static(Text("\n".join(section.lines)))
            if self.evidence.runbook:
                yield Label("Runbook", classes="evidence-section")
                yield Markdown(self.evidence.runbook, id="runbook", open_links=False)

    def action_yank(self) -> None:
        """Copy the evidence as text to the clipboard of the terminal."""
        self.app.copy_to_clipboard(self.evidence.as_text())
        self.app.notify("copied")

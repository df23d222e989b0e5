"""A key is looked at before anything is sent."""

from __future__ import annotations

import logging

import pytest

from ztb.core.error import CredentialError
from ztb.service.rights import check_rights
from ztb.venues.port import Rights


def test_a_key_that_reads_and_trades_and_no_more_is_right() -> None:
    check_rights(Rights(read=True, trade=True, withdraw=False), is_play=False)
    check_rights(Rights(read=None, trade=None, withdraw=None), is_play=False)


@pytest.mark.parametrize("is_play", [True, False])
def test_a_key_that_cannot_do_its_work_is_refused(is_play: bool) -> None:
    with pytest.raises(CredentialError, match="may not trade"):
        check_rights(Rights(read=True, trade=False, withdraw=False), is_play=is_play)
    with pytest.raises(CredentialError, match="may not read or trade"):
        check_rights(Rights(read=False, trade=False, withdraw=None), is_play=is_play)


def test_a_key_that_may_withdraw_is_refused_where_money_is_real(caplog: pytest.LogCaptureFixture) -> None:
    rights = Rights(read=True, trade=True, withdraw=True)
    with pytest.raises(CredentialError) as caught:
        check_rights(rights, is_play=False)
    assert caught.value.exit_code == 77
    with caplog.at_level(logging.WARNING):
        check_rights(rights, is_play=True)
    assert "may withdraw" in caplog.text

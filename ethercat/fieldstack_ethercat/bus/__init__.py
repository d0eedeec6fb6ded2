"""The bus as the master sees it: configuration, plan, bring-up, the bridge to SOEM, recovery, scan."""

"""The bus configuration (YAML), its checks, and the plan that RT is started with."""

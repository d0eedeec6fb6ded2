"""`fieldstack bench prediction`: leaks and normal running, and what was predicted of them."""

"""One web page that plays a song with its lyrics, and lets a person put their times right; docs/page.md."""

"""A headless Chromium that looks at pages as a person does."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from selenium import webdriver
from selenium.common.exceptions import WebDriverException
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement

from support.waiting import until

__all__ = ["Browser", "running_browser"]

_FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-quic",
    "--window-size=1800,1100",
)


@dataclass(frozen=True)
class Browser:
    """One window."""

    driver: webdriver.Chrome

    def open(self, url: str) -> None:
        self.driver.get(url)

    def text(self) -> str:
        return self.driver.find_element(By.TAG_NAME, "body").text

    def shows(self, *texts: str, timeout: float = 120.0) -> None:
        """Wait until the page shows all of these."""
        until(lambda: all(text in self._or_nothing() for text in texts), f"{texts} on the page", timeout)

    def find(self, xpath: str, timeout: float = 120.0) -> WebElement:
        """The first visible element, once there is one."""

        def visible() -> WebElement | None:
            try:
                found = self.driver.find_elements(By.XPATH, xpath)
                return next((one for one in found if one.is_displayed() and one.is_enabled()), None)
            except WebDriverException:
                return None

        return until(visible, f"{xpath} on the page", timeout)

    def click(self, xpath: str, timeout: float = 120.0) -> None:
        """Click it once it can be clicked: pages move while they load."""

        def clicked() -> bool:
            try:
                self.find(xpath, timeout).click()
            except WebDriverException:
                return False
            return True

        until(clicked, f"{xpath} to be clicked", timeout)

    def press_alt(self, key: str) -> None:
        """A keyboard shortcut."""
        ActionChains(self.driver).key_down(Keys.ALT).send_keys(key).key_up(Keys.ALT).perform()

    def image_widths(self, xpath: str) -> list[int]:
        """Widths of images in their own pixels; 0 is one that does not show."""
        return [int(one.get_property("naturalWidth")) for one in self.driver.find_elements(By.XPATH, xpath)]

    def _or_nothing(self) -> str:
        try:
            return self.text()
        except WebDriverException:
            return ""


@contextmanager
def running_browser(profile: Path) -> Iterator[Browser]:
    """A browser with a profile of its own; the test is skipped where there is no Chromium."""
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if chromium is None or driver is None:
        pytest.skip("needs Chromium and its driver: apt-get install chromium chromium-driver")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for flag in (*_FLAGS, f"--user-data-dir={profile}"):
        options.add_argument(flag)
    window = webdriver.Chrome(options=options, service=Service(driver))
    window.set_page_load_timeout(180)
    try:
        yield Browser(window)
    finally:
        window.quit()

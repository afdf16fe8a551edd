# Letters and receipt lists.

letters-title = Tamatebako: how to set up your device
letters-lead = This letter sets up the work app Tamatebako on your device. The code below is yours alone.
letters-addressee = { $name }
letters-staff-number = Staff number
letters-name = Name
letters-no-department = (no department)
letters-code = Activation code
letters-scan = Do not scan with a camera app
letters-server = Address of the server
letters-valid-until = Valid until { $time }
letters-steps = Three steps
letters-step-app = Open the app Tamatebako on your device and read the first page.
letters-step-app-from = Install the app Tamatebako on your device, open it and read the first page. You get it here: { $place }
letters-step-code = Type the address of the server and the activation code.
letters-step-pin = Choose a PIN and type it twice. Tell it to nobody, and do not write it on this letter.
letters-short-app = Open the app Tamatebako
letters-short-code = Type the address of the server and the code below
letters-short-pin = Choose a PIN and type it twice
letters-promise = Your personal data is not touched
letters-promise-erase = Only the data inside this app can be erased. Photos, contacts and other personal data are not touched.
letters-promise-unseen = What nobody sees through this app: your photos, contacts, calls, location and other apps.
letters-promise-seen = What your organisation sees: the model of the device, the app’s version, when and from where it connects, and how often a PIN was wrong.
letters-promise-kept = Documents and notes inside the app are work data. They are kept on your organisation’s server as well.
letters-short-promise = Only the data inside this app can be erased. Photos, contacts and other personal data are not touched; location, calls and other apps are not seen.
letters-secret = Whoever knows the code can set up a device as you. Show it to nobody, and shred this letter once you are done.
letters-mail-subject = Tamatebako: how to set up your device ({ $organisation })
letters-mail-lead = This mail sets up the work app Tamatebako on your device. The code below is yours alone.
letters-mail-step-pin = Choose a PIN and type it twice. Tell it to nobody, and do not write it in a mail.
letters-mail-secret = Whoever knows the code can set up a device as you. Do not forward this mail, and delete it once you are done.
letters-helpdesk = Questions, or a lost device: { $place }

letters-cover = Receipt list
letters-cover-about = Hand each letter to its owner and have the day and a signature or seal put here. Send back what could not be handed over, together with this list.
letters-cover-count = { $count ->
    [one] 1 letter
   *[other] { $count } letters
}
letters-cover-place = No.
letters-cover-day = Day
letters-cover-seal = Signature or seal
letters-cover-printed = Printed { $day }
letters-cover-handed-by = Handed out by:

letters-substitutes = Names to be mended by hand
letters-substitutes-about = Letters and lists of these people have characters that the font lacks. They were printed as 〓 or as a similar character: mend them by hand before you hand them over.
letters-substitutes-characters = Not printed

letters-page = Letters (PDF)
letters-page-about = One letter for each person, by department, each department behind its receipt list.
letters-layout = Paper
letters-layout-one = One a page (A4)
letters-layout-one-about = To be folded.
letters-layout-ten = Ten a page (A4)
letters-layout-ten-about = To be cut apart along the lines.
letters-language = Language of the letters
letters-do = Make letters
letters-unfit = Names or departments with characters that the font lacks: { $count }. They are printed as 〓 or as a similar character and listed on the first page.
letters-unfit-agree = Print with these characters replaced
letters-font = Letters cannot be made now: the server has no Japanese font, or the configured one cannot be used. Ask whoever runs the server to install one (on Debian fonts-noto-cjk) or to mend [letters] in the configuration. The CSV can be made all the same.

letters-lost-title = Report a lost device
letters-lost-lead = If your device is lost, enter the loss code that you tore off the letter. You need not sign in. The device will be blocked.
letters-lost-code = Loss code
letters-lost-code-hint = 17 letters and digits. Hyphens and capital or small letters make no difference.
letters-lost-do = Block the device
letters-lost-only = It can only be blocked by this. No data is erased. If the device is found, your organisation can unblock it.
letters-lost-blocked = The device is blocked
letters-lost-blocked-about = The server no longer helps to open it. While its offline period runs, it may still be possible to open it. Tell your organisation as well: only they can erase it.
letters-lost-nothing = No device was blocked just now
letters-lost-nothing-about = The code may be mistyped, replaced by that of a newer letter, or of a device that is blocked already. For safety we do not say which. Check the code and enter it again, or call your organisation.
letters-lost-wait = No device was blocked
letters-lost-wait-about = Many entries from the same place have blocked nothing. Check the loss code and enter it, or call your organisation. A code that is good is accepted without waiting.
letters-lost-keep = Tear this off and keep it apart from the device. If the device is lost, enter the code on the page below to block it. You need not sign in.
